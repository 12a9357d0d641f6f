"""What a planner is: it imagines complete walks and is told what the model thinks of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from nas_env.registry import Registry
from nas_env.spaces import SearchSpace, Walk

Valuation = Callable[[Sequence[Walk]], NDArray[np.float64]]


class Dream:
    """The walks imagined for one real decision, and their values.

    Args:
        valuation: Returns (n,) the value of each of n walks.
        seen: Walks that were evaluated or are about to be: they count as the least value so far.
        elites: The best of those that were evaluated, best first.

    Attributes:
        best: The best walk that was not seen; None before there is one.
        best_value: Its value.
        low: The least value so far.
        high: The greatest.
    """

    def __init__(
        self, valuation: Valuation, seen: Collection[Walk], elites: Sequence[Walk] = ()
    ) -> None:
        self._valuation, self.seen, self.elites = valuation, seen, elites
        self._known: dict[Walk, float] = {}
        self.best: Walk | None = None
        self.best_value = -np.inf
        self.low, self.high = np.inf, -np.inf

    def values(self, walks: Sequence[Walk]) -> list[float]:
        """Return the value of each walk; each is asked for once."""
        new = [x for x in dict.fromkeys(walks) if x not in self._known and x not in self.seen]
        if new:
            for walk, value in zip(new, self._valuation(new).tolist(), strict=True):
                self._known[walk] = value
                self.low, self.high = min(self.low, value), max(self.high, value)
                if value > self.best_value:
                    self.best, self.best_value = walk, value
        return [self._known.get(walk, self.scale[0]) for walk in walks]

    @property
    def scale(self) -> tuple[float, float]:
        """The least value so far and how far the greatest is above it; 0 and 1 before any."""
        if not np.isfinite(self.low):
            return 0.0, 1.0
        return self.low, max(self.high - self.low, 1e-12)


class Planner(ABC):
    """Searches a space in imagination.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space

    @abstractmethod
    def imagine(self, dream: Dream, rng: np.random.Generator) -> None:
        """Ask for the values of walks, more and more of good ones."""

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return what was learned and stays for the next decision."""
        return {}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:  # noqa: B027 - most forget
        """Take back what `arrays` returned."""


PLANNERS: Registry[type[Planner]] = Registry("planner", package="nas_env_agents.imagination")
