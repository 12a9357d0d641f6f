"""`local-search`: climbs from a random walk over all walks that differ by one decision."""

from __future__ import annotations

from typing import Any

import gymnasium

from nas_env.registry import unknown_name
from nas_env.spaces import Walk
from nas_env_agents.common.base import AGENTS
from nas_env_agents.hill_climbing import HillClimbing

IMPROVEMENTS = ("first", "best")


@AGENTS.register("local-search")
class LocalSearch(HillClimbing):
    """Tries the neighbours of the present walk in random order and moves on to a better one.

    If none is better, it restarts from a random walk, drawn decision by decision. Scores are
    cached: it moves to a better neighbour that was tried before without an episode, and restarts
    from untried walks while there are any.

    Reference: White, Nolen, Savani, "Exploring the Loss Landscape in Neural Architecture Search",
    UAI 2021. Their code offers both improvements; it starts from the best of ten random walks and
    skips neighbours that were tried before; this class starts from a single walk.

    Args:
        env: One environment.
        seed: Seed of the agent.
        improvement: "first": move to the first better neighbour; "best": to the best of all.

    Raises:
        UnknownNameError: No such improvement.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], seed: int = 0, improvement: str = "first"
    ) -> None:
        super().__init__(env, seed)
        if improvement not in IMPROVEMENTS:
            raise unknown_name("improvement", improvement, IMPROVEMENTS)
        self.improvement = improvement

    def around(self, walk: Walk) -> list[Walk]:
        """Return the walks that differ by one decision."""
        return list(self.space.neighbours(walk))

    def meet(self, walk: Walk) -> None:
        """Move to a neighbour that was tried before if it is better."""
        self.consider(walk, self.tried[walk])

    def restart(self) -> Walk:
        """Return a random untried walk to restart from."""
        return self.fresh(self.tried)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        return {**super().settings(), "improvement": self.improvement}
