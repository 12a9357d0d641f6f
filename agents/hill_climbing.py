"""`hill-climbing`: local search by edits, the plain method that most controllers lose to."""

from __future__ import annotations

from typing import Any

import gymnasium

from agents.base import AGENTS
from agents.walks import WalkAgent
from nas_env.spaces import Walk


@AGENTS.register("hill-climbing")
class HillClimbing(WalkAgent):
    """Tries the edits of the present network in random order and moves on at the first that helps.

    Where none helps, it begins anew from a random network (drawn decision by decision). It begins
    from the environment's start where one is given.

    Reference: White, Nolen, Savani, "Exploring the Loss Landscape in Neural Architecture Search",
    UAI 2021 (local search; there the best neighbour is taken, here the first better one).
    """

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        super().__init__(env, seed)
        start = getattr(env.unwrapped, "start", None)
        self.present: Walk | None = None
        self.score = 0.0
        self.waiting: list[Walk] = [tuple(start)] if start and not isinstance(start, str) else []
        self.tried: set[Walk] = set()

    def propose(self) -> Walk:
        """Return the next untried neighbour, or a random walk where there is none."""
        while self.waiting:
            walk = self.waiting.pop()
            if walk not in self.tried:
                return walk
        self.present = None
        return self.space.sample(self.rng)

    def tell(self, walk: Walk, score: float) -> None:
        """Move to the walk where it is better than the present one, or where there is none."""
        self.tried.add(walk)
        if self.present is not None and score <= self.score:
            return
        self.present, self.score = walk, score
        neighbours = [neighbour.walk for neighbour in self.space.edits(walk)]
        self.waiting = [neighbours[index] for index in self.rng.permutation(len(neighbours))]
