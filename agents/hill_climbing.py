"""`hill-climbing`: local search by edits, the plain method that most controllers lose to."""

from __future__ import annotations

import json
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from agents.base import AGENTS
from agents.walks import WalkAgent
from nas_env.spaces import Walk


@AGENTS.register("hill-climbing")
class HillClimbing(WalkAgent):
    """Tries the edits of the present network in random order and moves on at the first that helps.

    Where none helps, it begins anew from a random network (drawn decision by decision). In an
    environment that edits it begins where that begins.

    Reference: White, Nolen, Savani, "Exploring the Loss Landscape in Neural Architecture Search",
    UAI 2021 (local search; there the best neighbour is taken, here the first better one).
    """

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        super().__init__(env, seed)
        self.present: Walk | None = None
        self.score = 0.0
        self.waiting: list[Walk] = []
        self.tried: set[Walk] = set()

    def propose(self) -> Walk | None:
        """Return the next untried neighbour, or a random walk where there is none."""
        if self.edits and not self.tried:
            return None
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

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the best walk, the present one, and what is waiting and was tried."""
        place = json.dumps([self.present, self.score, self.waiting, sorted(self.tried)])
        return {**super().arrays(), "place": np.array(place)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        super().restore(arrays)
        present, self.score, waiting, tried = json.loads(str(arrays["place"]))
        self.present = None if present is None else tuple(present)
        self.waiting = [tuple(walk) for walk in waiting]
        self.tried = {tuple(walk) for walk in tried}
