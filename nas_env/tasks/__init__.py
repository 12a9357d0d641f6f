"""Tasks: data, loss and metric.

One file per family; a task registers its names with `@TASKS.register(name)`.
"""

from nas_env.tasks.base import TASKS, Metrics, Task, TaskSpec, TaskWithoutData, needs_data

__all__ = ["TASKS", "Metrics", "Task", "TaskSpec", "TaskWithoutData", "needs_data"]
