"""The interface of an observation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray


class Walks(Protocol):
    """Many states of "construct" as arrays, one row per state; do not modify them.

    Attributes:
        node: (n,) indices of the automaton states.
        tokens: (n, max_length) int64 decisions so far plus one, 0 after the last.
        length: (n,) number of decisions so far.
        spent: (n,) int64 additive cost so far.
    """

    @property
    def node(self) -> NDArray[np.intp]: ...  # noqa: D102 - described above
    @property
    def tokens(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def length(self) -> NDArray[np.intp]: ...  # noqa: D102
    @property
    def spent(self) -> NDArray[np.int64]: ...  # noqa: D102


class Observation(ABC):
    """Maps states to elements of a Gymnasium space.

    Attributes:
        space: The Gymnasium space.
        drawn: Whether the layer of an edit is sampled instead of being part of the action.
    """

    drawn: ClassVar[bool] = False
    space: gymnasium.Space[Any]

    @abstractmethod
    def observe(self, state: Any) -> Any:
        """Return the observation of a state, a new array."""

    def observe_walks(self, walks: Walks) -> NDArray[Any] | None:
        """Return the observations of many states, one row per state; None if not supported."""
        return None
