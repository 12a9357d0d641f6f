"""`regularized-evolution`: evolution that removes the oldest member, not the worst."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import is_count
from nas_env.spaces import Walk
from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.rules import check_rules
from nas_env_agents.common.walks import WalkAgent


@AGENTS.register("regularized-evolution")
class RegularizedEvolution(WalkAgent):
    """Mutates the best of a random sample of the population; each child replaces the oldest member.

    The first members are random walks, drawn decision by decision. The sample is drawn with
    replacement. A child differs from its parent in one decision. If all neighbours
    (`SearchSpace.neighbours`) have the parent's length, a position is drawn and then a new value
    for it; otherwise a neighbour is drawn uniformly. A child may repeat a walk that was evaluated
    before; the environment then returns the same score.

    Reference: Real, Aggarwal, Huang, Le, "Regularized Evolution for Image Classifier Architecture
    Search", AAAI 2019, algorithm 1. The NAS-Bench-201 authors' script draws a node of the cell
    before one of its edges, so edges into early nodes change more often there.

    Args:
        env: One environment.
        seed: Seed of the agent.
        population_size: Number of members.
        sample_size: Number of members drawn; the best of them becomes the parent.

    Raises:
        InvalidSettingError: A size is below 1.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        seed: int = 0,
        population_size: int = 10,
        sample_size: int = 3,
    ) -> None:
        super().__init__(env, seed)
        sizes = (("population_size", population_size), ("sample_size", sample_size))
        check_rules(*((name, size, is_count(size), "an integer >= 1") for name, size in sizes))
        self.population_size, self.sample_size = population_size, sample_size
        self.population: deque[tuple[Walk, float]] = deque(maxlen=population_size)

    def propose(self) -> Walk:
        """Return a random walk until the population is full, then a child."""
        if len(self.population) < self.population_size:
            return self.space.sample(self.rng)
        return self.mutate(self.parent())

    def parent(self) -> Walk:
        """Return the best of a random sample; the first drawn of equals."""
        drawn = self.rng.integers(self.population_size, size=self.sample_size).tolist()
        return max((self.population[index] for index in drawn), key=lambda member: member[1])[0]

    def mutate(self, walk: Walk) -> Walk:
        """Return a walk that differs in one decision, or a random one if none does."""
        around = self.space.neighbours(walk)
        if not around:
            return self.space.sample(self.rng)
        if all(len(other) == len(walk) for other in around):
            places = [_difference(walk, other) for other in around]
            place = self.rng.choice(sorted(set(places)))
            around = tuple(x for x, at in zip(around, places, strict=True) if at == place)
        return around[self.rng.integers(len(around))]

    def tell(self, walk: Walk, score: float) -> None:
        """Add a member; remove the oldest if the population is full."""
        self.population.append((walk, score))

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain data."""
        sizes = {"population_size": self.population_size, "sample_size": self.sample_size}
        return {**super().settings(), **sizes}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the best walk and the population, oldest first."""
        return {**super().arrays(), "population": np.array(json.dumps(list(self.population)))}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        super().restore(arrays)
        members = json.loads(str(arrays["population"]))
        self.population.extend((tuple(walk), score) for walk, score in members)


def _difference(one: Walk, other: Walk) -> int:
    """Return the first position at which two walks of one length differ."""
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
