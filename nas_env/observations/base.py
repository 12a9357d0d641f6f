"""The interface of an observation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import gymnasium


class Observation(ABC):
    """A Gymnasium space and the observation of each state in it.

    Attributes:
        space: The Gymnasium space.
        drawn: Whether an edit's layer is drawn instead of being part of the action.
    """

    drawn: ClassVar[bool] = False
    space: gymnasium.Space[Any]

    @abstractmethod
    def observe(self, state: Any) -> Any:
        """Return the observation of a state; a fresh array."""
