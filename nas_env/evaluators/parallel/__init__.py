"""`Parallel`: evaluations in worker processes, isolated from the caller and from each other.

One thread of the pool watches the processes and enforces time limits. Another thread completes the
futures, so a slow callback does not delay the first. Module `worker` runs in the worker processes.
"""

from nas_env.evaluators.parallel.evaluator import Parallel

__all__ = ["Parallel"]
