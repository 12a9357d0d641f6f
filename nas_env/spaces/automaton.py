"""A search space compiled to arrays."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidSettingError
from nas_env.spaces.choice import Choice

MAX_STATES = 100_000
NO_WALK = np.iinfo(np.int64).max // 4  # higher than any sum of costs


class StateMachine(Protocol):
    """The part of a search space that `compile_space` uses; see `SearchSpace`."""

    @property
    def name(self) -> str: ...  # noqa: D102 - described in `SearchSpace`
    @property
    def num_decisions(self) -> int: ...  # noqa: D102
    @property
    def additive_cost(self) -> bool: ...  # noqa: D102
    def start(self) -> Hashable: ...  # noqa: D102
    def choice(self, state: Hashable) -> Choice | None: ...  # noqa: D102
    def follow(self, state: Hashable, decision: int) -> Hashable: ...  # noqa: D102
    def cost(self, state: Hashable, decision: int) -> int: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Automaton:
    """A finite automaton as arrays; states are numbered breadth first, state 0 is the start.

    Attributes:
        states: The states of the space, in order of their numbers.
        next_state: (states, decisions) int32, -1 for illegal decisions.
        final: (states,) bool, True if the walk is complete.
        walks: Number of complete walks from each state (exact, any size).
        cost: (states, decisions) int64 additive cost of a decision, or None if the space has no
            additive cost.
        to_go: (states, decisions) int64 cost of a decision plus the minimum cost to complete the
            walk after it, or None. A walk with cost c can stay within a limit if and only if
            c + to_go <= limit.
        most: (states,) the maximum cost to complete the walk from each state, or None.
    """

    states: tuple[Hashable, ...]
    next_state: NDArray[np.int32]
    final: NDArray[np.bool_]
    walks: tuple[int, ...]
    cost: NDArray[np.int64] | None
    to_go: NDArray[np.int64] | None
    most: NDArray[np.int64] | None

    @property
    def legal(self) -> NDArray[np.bool_]:
        """A bool array (states, decisions), True for legal decisions."""
        return self.next_state >= 0

    @property
    def num_states(self) -> int:
        """Number of states."""
        return len(self.states)

    @cached_property
    def is_tree(self) -> bool:
        """Whether exactly one walk leads to each state, so that the state determines the walk."""
        entered = np.bincount(self.next_state[self.legal], minlength=self.num_states)
        return bool(entered[0] == 0 and (entered[1:] == 1).all())

    @property
    def max_cost(self) -> int | None:
        """The maximum cost of a complete walk, or None."""
        return None if self.most is None else int(self.most[0])

    @property
    def cheapest(self) -> NDArray[np.int64] | None:
        """(states,) the minimum cost to complete the walk from each state, or None."""
        if self.to_go is None:
            return None
        return np.where(self.final, 0, self.to_go.min(axis=1))

    def allowed(self, state: int, spent: int, limit: int | None) -> NDArray[np.bool_]:
        """Return a bool array (decisions,), True if legal and a walk within the limit exists."""
        row: NDArray[np.bool_] = self.next_state[state] >= 0
        if limit is not None and self.to_go is not None:
            row &= self.to_go[state] <= limit - spent
        return row


def compile_space(space: StateMachine) -> Automaton:
    """Enumerate the states of a space breadth first and return its automaton.

    Raises:
        InvalidSettingError: The space has more than 100,000 states, a state without legal
            decisions, or a cycle (walks would be infinite).
    """
    states, rows, costs = _explore(space)
    next_state = np.array(rows, dtype=np.int32).reshape(len(states), space.num_decisions)
    final = np.array([space.choice(state) is None for state in states])
    order = _children_first(next_state)
    walks = [0] * len(states)
    for state in order:
        children = next_state[state][next_state[state] >= 0]
        walks[state] = 1 if final[state] else sum(walks[child] for child in children)
        if not walks[state]:
            raise InvalidSettingError(
                f"State {states[state]!r} of space {space.name!r} has no legal decision. "
                "Each state must have a legal decision or be final."
            )
    if costs is None:
        return Automaton(tuple(states), next_state, final, tuple(walks), None, None, None)
    cost = np.array(costs, dtype=np.int64).reshape(next_state.shape)
    to_go, most = _finishing_costs(next_state, final, cost, order)
    return Automaton(tuple(states), next_state, final, tuple(walks), cost, to_go, most)


def _explore(
    space: StateMachine,
) -> tuple[list[Hashable], list[list[int]], list[list[int]] | None]:
    states: list[Hashable] = [space.start()]
    number = {states[0]: 0}
    rows: list[list[int]] = []
    costs: list[list[int]] = []
    for state in states:  # grows during the loop
        row, price = [-1] * space.num_decisions, [0] * space.num_decisions
        choice = space.choice(state)
        for decision in choice.legal if choice else ():
            after = space.follow(state, decision)
            if after not in number:
                number[after] = len(states)
                states.append(after)
            row[decision] = number[after]
            price[decision] = space.cost(state, decision) if space.additive_cost else 0
        rows.append(row)
        costs.append(price)
        if len(states) > MAX_STATES:
            raise InvalidSettingError(
                f"Space {space.name!r} has more than {MAX_STATES} states. "
                "Keep in its states only the information that legality and additive costs need."
            )
    return states, rows, costs if space.additive_cost else None


def _children_first(next_state: NDArray[np.int32]) -> list[int]:
    """Return the states in an order in which each state comes after its successors."""
    children = [set(row[row >= 0].tolist()) for row in next_state]
    parents: list[list[int]] = [[] for _ in children]
    for state, targets in enumerate(children):
        for target in targets:
            parents[target].append(state)
    waiting = [len(targets) for targets in children]
    order = [state for state, count in enumerate(waiting) if count == 0]
    for state in order:  # grows while it is walked through
        for parent in parents[state]:
            waiting[parent] -= 1
            if waiting[parent] == 0:
                order.append(parent)
    if len(order) < len(children):
        raise InvalidSettingError(
            "The search space has a cycle, so walks would be infinite. "
            "Make every decision progress, for instance by counting the depth in the state."
        )
    return order


def _finishing_costs(
    next_state: NDArray[np.int32],
    final: NDArray[np.bool_],
    cost: NDArray[np.int64],
    order: list[int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    to_go = np.full(cost.shape, NO_WALK, dtype=np.int64)
    least = np.zeros(len(final), dtype=np.int64)
    most = np.zeros(len(final), dtype=np.int64)
    for state in order:
        if final[state]:
            continue
        legal = next_state[state] >= 0
        children = next_state[state][legal]
        to_go[state, legal] = cost[state, legal] + least[children]
        least[state] = to_go[state].min()
        most[state] = (cost[state, legal] + most[children]).max()
    return to_go, most
