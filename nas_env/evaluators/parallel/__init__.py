"""`Parallel`: evaluations in worker processes, isolated from the caller and from each other.

A thread of the pool watches the processes and keeps the time; another one completes the futures, so
that a slow callback delays neither. `worker` is what runs in a worker process.
"""

from nas_env.evaluators.parallel.evaluator import Parallel

__all__ = ["Parallel"]
