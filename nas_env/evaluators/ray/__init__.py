"""`ray`: evaluations as tasks on a Ray cluster, from one machine to many; see docs/cluster.md.

`cluster` connects, `jobs` keeps what waits and what runs, `worker` is what runs there.
"""

from nas_env.evaluators.ray.evaluator import Ray

__all__ = ["Ray"]
