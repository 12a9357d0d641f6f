"""The space of a list of walks, such as the rows of a table."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidSettingError
from nas_env.spaces.automaton import Automaton
from nas_env.spaces.base import Choice, Option, SearchSpace, Walk


class TrieSpace(SearchSpace):
    """Exactly the walks of a list; the automaton is their prefix tree.

    Decisions: the numbers in the walks; `labels` describes them.
    Observation: given by the environment; the state is the walk so far.
    Reward: given by the environment.
    Episode end: when a walk of the list is complete.
    Reference: none; the networks cannot be built, so only a table can evaluate them.

    Args:
        name: Name of the space.
        walks: (rows, max_length) integers, -1 after the last decision of a shorter walk.
        labels: Label of each decision.
        names: Name of the choice at each position.

    Raises:
        InvalidSettingError: A walk occurs twice, or is a prefix of another.
    """

    modality = "table"
    distinct = True

    def __init__(
        self, name: str, walks: NDArray[Any], labels: Sequence[str], names: Sequence[str]
    ) -> None:
        self.name = name
        self.num_decisions = len(labels)
        self.max_length = walks.shape[1]
        self.names = tuple(names)
        self.feature_names = ("depth", *self.names)
        self._options = tuple(Option(x, {"operation": (x, i)}) for i, x in enumerate(labels))
        self._layers = [
            [Layer.of("decision", name=where, value=x) for x in labels] for where in names
        ]
        order = np.lexsort(walks.T[::-1])
        self._compiled = _compile(name, walks[order].astype(np.int64), len(labels))

    def automaton(self) -> Automaton:
        """Return the prefix tree as arrays."""
        return self._compiled

    @cached_property
    def _number(self) -> dict[Hashable, int]:
        return {state: number for number, state in enumerate(self._compiled.states)}

    def start(self) -> Walk:
        """Return the empty walk."""
        return ()

    def choice(self, state: Hashable) -> Choice | None:
        """Return the decisions that continue a walk of the list; None if the walk is complete."""
        number = self._number[state]
        if self._compiled.final[number]:
            return None
        legal = np.flatnonzero(self._compiled.next_state[number] >= 0).tolist()
        return Choice(self.names[len(cast(Walk, state))], tuple(legal), self._options)

    def follow(self, state: Hashable, decision: int) -> Walk:
        """Return the longer walk."""
        return (*cast(Walk, state), decision)

    def project(self, state: Hashable) -> int:
        """Return the position."""
        return len(cast(Walk, state))

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the share of positions decided, and each decision relative to the highest.

        The lowest decision is 1 / `num_decisions`; 0 means undecided.
        """
        walk = cast(Walk, state)
        relative = [(decision + 1) / self.num_decisions for decision in walk]
        return len(walk) / self.max_length, *relative, *[0.0] * (self.max_length - len(walk))

    def partial(self, walk: Walk) -> Architecture:
        """Return the decisions so far."""
        layers = [self._layers[position][decision] for position, decision in enumerate(walk)]
        return Architecture(tuple(layers))


def listed(
    name: str,
    walks: NDArray[Any],
    labels: Sequence[str],
    names: Sequence[str],
    max_params: int | None,
) -> TrieSpace:
    """Return the space of a list of walks.

    Raises:
        InvalidSettingError: A parameter limit is given, but the number of parameters is unknown.
    """
    space = TrieSpace(name, walks, labels, names)
    space.max_params = max_params
    space.check_limit()
    return space


def _compile(name: str, walks: NDArray[np.int64], num_decisions: int) -> Automaton:
    """Return the prefix tree of walks in lexicographic order, numbered breadth first."""
    rows, length = walks.shape
    new = np.ones(rows, dtype=bool)  # whether the prefix differs from the previous row
    new[1:] = False
    node = np.zeros(rows, dtype=np.int64)  # of the current prefix of each row
    states: list[Walk] = [()]
    edges: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for depth in range(length):
        going = walks[:, depth] >= 0
        new[1:] |= walks[1:, depth] != walks[:-1, depth]
        starts = new & going
        after = len(states) - 1 + np.cumsum(starts)
        edges.append((node[starts], walks[starts, depth], after[starts]))
        states += map(tuple, walks[starts, : depth + 1].tolist())
        node = np.where(going, after, node)
    next_state = np.full((len(states), num_decisions), -1, dtype=np.int32)
    for parents, decisions, children in edges:
        next_state[parents, decisions] = children
    counts = np.bincount(node, minlength=len(states))
    final = counts > 0
    bad = np.flatnonzero((counts > 1) | (final & (next_state >= 0).any(axis=1)))
    if len(bad):
        raise InvalidSettingError(
            f"Walk {states[bad[0]]} of space {name!r} occurs twice, or is a prefix of another. "
            "Each walk must be unique and must not be a prefix of another."
        )
    walk_counts = _count(next_state, counts.tolist())
    return Automaton(tuple(states), next_state, final, walk_counts, None, None, None)


def _count(next_state: NDArray[np.int32], counts: list[int]) -> tuple[int, ...]:
    """Return the number of complete walks from each state, children first."""
    parents, decisions = np.nonzero(next_state >= 0)
    children = next_state[parents, decisions]
    order = np.argsort(-children, kind="stable")
    for parent, child in zip(parents[order].tolist(), children[order].tolist(), strict=True):
        counts[parent] += counts[child]
    return tuple(counts)
