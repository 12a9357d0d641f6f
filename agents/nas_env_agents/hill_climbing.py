"""`hill-climbing`: local search by edits, a strong simple baseline."""

from __future__ import annotations

import json
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.spaces import Walk
from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.walks import WalkAgent


@AGENTS.register("hill-climbing")
class HillClimbing(WalkAgent):
    """Tries the edits of the present network in random order and moves to the first better one.

    If none is better, it restarts from a random network, drawn decision by decision. With
    mdp="edit" it starts where the environment starts.

    Reference: White, Nolen, Savani, "Exploring the Loss Landscape in Neural Architecture Search",
    UAI 2021 (local search; the paper takes the best neighbour, this class the first better one).

    Attributes:
        improvement: "first" moves to the first better neighbour, "best" to the best after all were
            tried.
    """

    improvement = "first"

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        super().__init__(env, seed)
        self.present: Walk | None = None
        self.score = 0.0
        self.goal: tuple[Walk, float] | None = None
        self.waiting: list[Walk] = []
        self.tried: dict[Walk, float] = {}

    def around(self, walk: Walk) -> list[Walk]:
        """Return the neighbours of a walk."""
        return [neighbour.walk for neighbour in self.space.edits(walk)]

    def meet(self, walk: Walk) -> None:
        """Skip a neighbour that was tried before."""

    def propose(self) -> Walk | None:
        """Return the next untried neighbour, or a random walk if there is none."""
        if self.edits and not self.tried:
            return None
        while self.waiting:
            walk = self.waiting.pop()
            if walk not in self.tried:
                return walk
            self.meet(walk)
        self.present = None
        return self.restart()

    def restart(self) -> Walk:
        """Return a random walk to restart from."""
        return self.space.sample(self.rng)

    def tell(self, walk: Walk, score: float) -> None:
        """Move to the walk if it is better than the present one, or if there is none."""
        self.tried[walk] = score
        if self.present is None:
            self.move(walk, score)
        else:
            self.consider(walk, score)

    def consider(self, walk: Walk, score: float) -> None:
        """Move to a better neighbour, or keep it as the best of the neighbourhood."""
        if score > (self.goal[1] if self.goal else self.score):
            self.goal = walk, score
        if self.goal and (self.improvement == "first" or not self.waiting):
            self.move(*self.goal)

    def move(self, walk: Walk, score: float) -> None:
        """Make a walk the present one and queue its neighbours in random order."""
        self.present, self.score, self.goal = walk, score, None
        neighbours = self.around(walk)
        self.waiting = [neighbours[index] for index in self.rng.permutation(len(neighbours))]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the best and present walks, the queue and the scores."""
        tried = sorted(self.tried.items())
        place = json.dumps([self.present, self.score, self.goal, self.waiting, tried])
        return {**super().arrays(), "place": np.array(place)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        super().restore(arrays)
        present, self.score, goal, waiting, tried = json.loads(str(arrays["place"]))
        self.present = None if present is None else tuple(present)
        self.goal = None if goal is None else (tuple(goal[0]), goal[1])
        self.waiting = [tuple(walk) for walk in waiting]
        self.tried = {tuple(walk): score for walk, score in tried}
