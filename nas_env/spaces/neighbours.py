"""Neighbours: the complete walks that differ from a walk by a single decision.

Unlike edits, neighbours need no fields and no kinds: all spaces have them, and they are symmetric.
"""

from __future__ import annotations

from collections.abc import Iterator

from nas_env.spaces.automaton import Automaton
from nas_env.spaces.choice import Walk

CACHE_SIZE = 10_000


class Neighbourhood:
    """The neighbours of the walks of a space, computed from its automaton.

    Args:
        automaton: The compiled space.
        max_params: Maximum number of parameters, or None.
    """

    def __init__(self, automaton: Automaton, max_params: int | None) -> None:
        self._next: list[list[int]] = automaton.next_state.tolist()
        self._final: list[bool] = automaton.final.tolist()
        self._cost: list[list[int]] | None = None
        self._limit = max_params
        if self._limit is not None and automaton.cost is not None:
            self._cost = automaton.cost.tolist()
        self._legal = [[d for d, child in enumerate(row) if child >= 0] for row in self._next]
        self._known: dict[Walk, tuple[Walk, ...]] = {}

    def __contains__(self, walk: Walk) -> bool:
        """Whether the neighbours of a walk are cached."""
        return walk in self._known

    def of(self, walk: Walk) -> tuple[Walk, ...]:
        """Return the neighbours of a complete legal walk in ascending order, and cache them."""
        if walk not in self._known:
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[walk] = tuple(sorted(set(self._find(walk)) - {walk}))
        return self._known[walk]

    def _find(self, walk: Walk) -> Iterator[Walk]:
        """Yield all neighbours, possibly repeated, and the walk itself."""
        node = 0
        for position in range(len(walk)):
            before, here, after = walk[:position], walk[position:], walk[position + 1 :]
            if self._finishes(node, after) and self._affordable(removed := (*before, *after)):
                yield removed
            for decision in self._legal[node]:
                child = self._next[node][decision]
                for rest in (after, here):  # instead of the old decision, and before it
                    if self._finishes(child, rest):
                        neighbour = (*before, decision, *rest)
                        if self._affordable(neighbour):
                            yield neighbour
            node = self._next[node][walk[position]]

    def _finishes(self, node: int, rest: Walk) -> bool:
        """Whether these decisions complete a walk from a state."""
        for decision in rest:
            node = self._next[node][decision]
            if node < 0:
                return False
        return self._final[node]

    def _affordable(self, walk: Walk) -> bool:
        """Whether a complete walk is within the parameter limit."""
        if self._cost is None or self._limit is None:
            return True
        node = spent = 0
        for decision in walk:
            spent += self._cost[node][decision]
            node = self._next[node][decision]
        return spent <= self._limit
