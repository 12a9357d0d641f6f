"""Legal decisions for planners: the space's automaton under its parameter limit."""

from __future__ import annotations

from typing import NamedTuple

from nas_env.spaces import SearchSpace

CACHE_SIZE = 100_000


class Step(NamedTuple):
    """A legal decision, the state it leads to, and the parameters used up to it."""

    decision: int
    state: int
    spent: int


class Paths:
    """Looks up the legal decisions of a state; results are cached.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._automaton = space.automaton()
        self._limit = space.max_params if self._automaton.cost is not None else None
        self._known: dict[tuple[int, int], list[Step]] = {}
        self.final: list[bool] = self._automaton.final.tolist()

    def steps(self, state: int, spent: int) -> list[Step]:
        """Return the legal decisions of a state, given the parameters used so far."""
        legal_steps = self._known.get((state, spent))
        if legal_steps is None:
            if len(self._known) >= CACHE_SIZE:  # many sums of parameters lead to one state
                self._known.clear()
            legal_steps = self._known[state, spent] = self._find(state, spent)
        return legal_steps

    def _find(self, state: int, spent: int) -> list[Step]:
        automaton = self._automaton
        following, legal_steps = automaton.next_state[state], []
        for decision in automaton.allowed(state, spent, self._limit).nonzero()[0].tolist():
            price = 0
            if self._limit is not None and automaton.cost is not None:
                price = int(automaton.cost[state, decision])
            legal_steps.append(Step(decision, int(following[decision]), spent + price))
        return legal_steps
