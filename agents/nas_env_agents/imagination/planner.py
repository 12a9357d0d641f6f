"""Base class of planners, which imagine complete walks and query the model for their values."""

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
        seen: Evaluated and pending walks; they get the lowest value so far.
        elites: The best evaluated walks, best first.

    Attributes:
        best: The best walk that is not in `seen`; None before there is one.
        best_value: Its value.
        low: The lowest value so far.
        high: The highest value so far.
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
        """Return the value of each walk; each is computed once."""
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
        """The lowest value so far, and the range of values; 0 and 1 before any."""
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
        """Query the values of walks, concentrating on good ones."""

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the state that is kept for the next decision."""
        return {}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None:  # noqa: B027 - most forget
        """Take back what `arrays` returned."""


PLANNERS: Registry[type[Planner]] = Registry("planner", package="nas_env_agents.imagination")
