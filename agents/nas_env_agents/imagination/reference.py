"""Planners without reinforcement learning, for comparison."""

from __future__ import annotations

import numpy as np

from nas_env_agents.imagination.planner import PLANNERS, Dream, Planner

WALKS = 512
ELITES = RANDOM = 5


@PLANNERS.register("pool")
class Pool(Planner):
    """Imagines 512 random walks, drawn decision by decision."""

    def imagine(self, dream: Dream, rng: np.random.Generator) -> None:
        """Query the values of random walks."""
        dream.values([self.space.sample(rng) for _ in range(WALKS)])


@PLANNERS.register("climb")
class Climb(Planner):
    """Climbs in the model from the five best evaluated walks and from five random ones.

    Each step goes to the best of all walks that differ by one decision, until none is better.
    """

    def imagine(self, dream: Dream, rng: np.random.Generator) -> None:
        """Climb from each start to a local maximum."""
        starts = [*dream.elites[:ELITES], *(self.space.sample(rng) for _ in range(RANDOM))]
        for walk in starts:
            value = -np.inf if walk in dream.seen else dream.values([walk])[0]
            while around := [x for x in self.space.neighbours(walk) if x not in dream.seen]:
                values = dream.values(around)
                best = int(np.argmax(values))
                if values[best] <= value:
                    break
                walk, value = around[best], values[best]
