"""`imagination`: plans whole episodes in a learned model, and spends one evaluation on the best.

`targets` makes rewards comparable, `kernel` compares walks, `process` is the Gaussian process over
both, `model` keeps what was evaluated; `tree`, `policy` and `reference` plan in the model's
imagination over the decisions of `paths`; `agent` plays what was planned.
"""

from nas_env_agents.imagination.agent import AsyncImagination, Imagination

__all__ = ["AsyncImagination", "Imagination"]
