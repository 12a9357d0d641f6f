"""`async-random`: random search that keeps every slot of the evaluator busy."""

from __future__ import annotations

from nas_env.spaces import Walk
from nas_env_agents.common.asynchronous import Asynchronous
from nas_env_agents.common.base import AGENTS


@AGENTS.register("async-random")
class AsyncRandom(Asynchronous):
    """Random search over all slots of the evaluator: each legal decision has equal probability.

    See `Asynchronous` for the differences from an agent that steps the environment.
    """

    def propose(self) -> Walk:
        """Return a random walk, drawn decision by decision."""
        return self.space.sample(self.rng)

    def tell(self, walk: Walk, score: float) -> None:
        """Learn nothing."""
