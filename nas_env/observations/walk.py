"""Observations of a walk: tokens, the index of the automaton state, or bounded features."""

from __future__ import annotations

import math
from collections.abc import Callable

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.observations.base import Observation, Walks
from nas_env.registry import Registry
from nas_env.spaces import SearchSpace
from nas_env.states import BaseState

OBSERVATIONS: Registry[Callable[[SearchSpace], Observation]] = Registry("observation")


@OBSERVATIONS.register("tokens")
class Tokens(Observation):
    """The decisions so far plus one, 0 for open positions; fully observable.

    `MultiDiscrete([num_decisions + 1] * max_length)`, int64.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.blank = np.zeros(space.max_length, dtype=np.int64)
        width = space.num_decisions + 1
        self.space = gymnasium.spaces.MultiDiscrete([width] * space.max_length)

    def observe(self, state: BaseState) -> NDArray[np.int64]:
        """Return an int64 array (max_length,)."""
        tokens = self.blank.copy()
        for position, decision in enumerate(state.walk):  # faster than a slice: walks are short
            tokens[position] = decision + 1
        return tokens

    def observe_walks(self, walks: Walks) -> NDArray[np.int64]:
        """Return an int64 array (n, max_length)."""
        return walks.tokens.copy()


@OBSERVATIONS.register("state")
class StateNumber(Observation):
    """The index of the automaton state, `Discrete(states)`: a plain array is a Q-table."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = gymnasium.spaces.Discrete(space.automaton().num_states)

    def observe(self, state: BaseState) -> np.int64:
        """Return the index of the state."""
        return np.int64(state.node)

    def observe_walks(self, walks: Walks) -> NDArray[np.int64]:
        """Return an int64 array (n,)."""
        return walks.node.astype(np.int64)


@OBSERVATIONS.register("features")
class Features(Observation):
    """Bounded features of the partial network, `Box(0, 1)` float32.

    The features are, in this order:

    * decisions so far, relative to the maximum;
    * parameters so far, relative to the maximum on a log scale;
    * the features of the search space, see `SearchSpace.feature_names`;
    * the last decision, one-hot (all zeros before the first).
    """

    def __init__(self, space: SearchSpace) -> None:
        automaton = space.automaton()
        own = [space.features(state) for state in automaton.states]
        self.last = 2 + len(space.feature_names)  # first column of the last decision
        self.rows = np.zeros((len(own), self.last + space.num_decisions), dtype=np.float32)
        self.rows[:, 2 : self.last] = np.array(own).reshape(len(own), len(space.feature_names))
        self.max_length = space.max_length
        self.log_max_cost = math.log1p(automaton.max_cost or 1)
        self.names = (
            "decisions",
            "params",
            *space.feature_names,
            *(f"last: {option.label}" for option in space.options()),
        )
        self.space = gymnasium.spaces.Box(0.0, 1.0, (len(self.names),), np.float32)

    def observe(self, state: BaseState) -> NDArray[np.float32]:
        """Return a float32 array (features,)."""
        out: NDArray[np.float32] = self.rows[state.node].copy()
        out[0] = len(state.walk) / self.max_length
        out[1] = min(math.log1p(state.spent) / self.log_max_cost, 1.0)
        if state.walk:
            out[self.last + state.walk[-1]] = 1.0
        return out

    def observe_walks(self, walks: Walks) -> NDArray[np.float32]:
        """Return a float32 array (n, features)."""
        out: NDArray[np.float32] = self.rows[walks.node]
        out[:, 0] = walks.length / self.max_length
        if walks.spent.any():  # numpy's log1p may differ in the last digit
            out[:, 1] = [min(math.log1p(x) / self.log_max_cost, 1.0) for x in walks.spent.tolist()]
        lanes = np.flatnonzero(walks.length)
        last = walks.tokens[lanes, walks.length[lanes] - 1] - 1
        out[lanes, self.last + last] = 1.0
        return out
