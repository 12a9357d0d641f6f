"""`ray`: evaluations as tasks on a Ray cluster of one or more machines; see docs/cluster.md.

Module `cluster` connects, `jobs` tracks waiting and running evaluations, and `worker` runs on the
cluster.
"""

from nas_env.evaluators.ray.evaluator import Ray

__all__ = ["Ray"]
