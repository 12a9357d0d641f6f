"""The interface of an observation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import gymnasium


class Observation(ABC):
    """A Gymnasium space and the observation of each state in it."""

    space: gymnasium.Space[Any]

    @abstractmethod
    def observe(self, state: Any) -> Any:
        """Return the observation of a state; a fresh array."""
