"""Searches over the numbered networks of a table: random, and regularised evolution."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

POPULATION, SAMPLE = 10, 3  # as agents/nas_env_agents/hyperparameters.toml has them
MOST_REPEATS = 50  # in a row, of evolution; then a random network


class Endless:
    """Random networks with repeats: a stream of training times."""

    def __init__(self, networks: int, seed: int) -> None:
        self.networks, self.rng = networks, np.random.default_rng(seed)
        self._drawn: list[int] = []

    def propose(self) -> int:
        """Return a random network."""
        if not self._drawn:
            self._drawn = self.rng.integers(self.networks, size=4096).tolist()
        return self._drawn.pop()

    def tell(self, network: int) -> None:
        """Learn nothing."""


class Random:
    """Random networks, each once."""

    def __init__(self, networks: int, seed: int) -> None:
        self._left = np.random.default_rng(seed).permutation(networks).tolist()

    def propose(self) -> int | None:
        """Return a network that was not proposed before."""
        return self._left.pop() if self._left else None

    def tell(self, network: int) -> None:
        """Learn nothing."""


class Evolution:
    """The agent `regularized-evolution` over numbered networks.

    Each network is proposed once. A child with a known score enters the population immediately, as
    with a store; a child that is being trained is dropped.

    Args:
        walks: (networks, positions) the decisions of every network, with all combinations.
        scores: (networks,) scores to maximise.
        seed: Seed of the search.
    """

    def __init__(self, walks: NDArray[np.int16], scores: Sequence[float], seed: int) -> None:
        self.options = int(walks.max()) + 1
        self.places = walks.shape[1]
        self.weights = [self.options**place for place in range(self.places)]
        self.walks = walks.tolist()
        self.row = {self._code(walk): index for index, walk in enumerate(self.walks)}
        self.scores, self.rng = scores, np.random.default_rng(seed)
        self.random = Random(len(walks), seed)
        self.population: deque[int] = deque(maxlen=POPULATION)
        self.proposed: set[int] = set()
        self.known: set[int] = set()

    def propose(self) -> int | None:
        """Return a child, or a random network while the population is not full."""
        for _ in range(MOST_REPEATS):
            if len(self.population) < POPULATION or len(self.proposed) == len(self.walks):
                break
            child = self._child()
            if child not in self.proposed:
                self.proposed.add(child)
                return child
            if child in self.known:
                self.population.append(child)
        return self._new()

    def tell(self, network: int) -> None:
        """Add a network to the population; if it is full, remove the oldest."""
        self.known.add(network)
        self.population.append(network)

    def _child(self) -> int:
        drawn = self.rng.integers(len(self.population), size=SAMPLE).tolist()
        parent = max((self.population[x] for x in drawn), key=lambda x: self.scores[x])
        walk = self.walks[parent]
        place = int(self.rng.integers(self.places))
        other = (walk[place] + 1 + int(self.rng.integers(self.options - 1))) % self.options
        return self.row[self._code(walk) + (other - walk[place]) * self.weights[place]]

    def _new(self) -> int | None:
        while (network := self.random.propose()) is not None:
            if network not in self.proposed:
                self.proposed.add(network)
                return network
        return None

    def _code(self, walk: Sequence[int]) -> int:
        return sum(decision * weight for decision, weight in zip(walk, self.weights, strict=True))


def best_so_far(scores: NDArray[np.float64], networks: Sequence[int]) -> NDArray[np.int64]:
    """Return after each result the network with the best score so far, the first of equals."""
    order = np.asarray(networks, dtype=np.int64)
    ordered_scores = scores[order]
    new = np.concatenate([[True], ordered_scores[1:] > np.maximum.accumulate(ordered_scores)[:-1]])
    return order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
