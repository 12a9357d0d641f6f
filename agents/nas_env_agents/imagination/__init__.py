"""`imagination`: plans whole episodes in a learned model and evaluates only the best one.

* `targets` normalises scores, `kernel` compares walks, `process` is the Gaussian process, and
  `model` holds the evaluations.
* `tree`, `policy` and `reference` are planners; `paths` gives them the legal decisions.
* `agent` plays the planned walk.
"""

from nas_env_agents.imagination.agent import AsyncImagination, Imagination

__all__ = ["AsyncImagination", "Imagination"]
