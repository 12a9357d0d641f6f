"""The labels of decisions in tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_env.spaces import SearchSpace


class Labels:
    """The labels of walks in a space, with a cache of steps."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._steps: dict[tuple[Any, int], tuple[str, Any]] = {}

    def of(self, walk: Sequence[int]) -> list[str]:
        """Return the label of each decision."""
        state: Any = self.space.start()
        words = []
        for decision in walk:
            if (state, decision) not in self._steps:
                choice = self.space.choice(state)
                label = choice.options[decision].label if choice else str(decision)
                self._steps[state, decision] = label, self.space.follow(state, decision)
            label, state = self._steps[state, decision]
            words.append(label)
        return words
