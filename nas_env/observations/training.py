"""Observations of a trained network: its loss or accuracy in bins, or all features."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.observations.base import Observation
from nas_env.observations.walk import StateNumber, Tokens
from nas_env.registry import Registry
from nas_env.spaces import SearchSpace
from nas_env.states import EditState

BINS = 100
LEAST, MOST = 0.01, 2.0  # lowest and highest edge of the loss bins, relative to uniform guessing

EDIT_OBSERVATIONS: Registry[Callable[[SearchSpace], Observation]] = Registry("observation")
EDIT_OBSERVATIONS.register("tokens")(Tokens)
EDIT_OBSERVATIONS.register("state")(StateNumber)


def chance_loss(space: SearchSpace) -> float:
    """Return the cross-entropy of a uniform guess among the classes, in nats."""
    return math.log(max(space.num_outputs or 10, 2))


def loss_edges(space: SearchSpace) -> NDArray[np.float64]:
    """Return the 99 edges of the 100 loss bins, in nats.

    They are evenly spaced on a logarithmic scale, from 1/100 to twice the loss of a uniform guess
    (ln 10 = 2.303 for ten classes). The first and the last bin are open, so that the bins cover
    (-inf, inf). NaN is in the last bin.
    """
    return np.geomspace(LEAST * chance_loss(space), MOST * chance_loss(space), BINS - 1)


class Bins(Observation):
    """A number discretized into 100 bins, `Discrete(100)`: an array of 100 rows is a Q-table.

    Different networks in the same bin have the same observation, so the process is only partially
    observable. Each action is an edit; the layer that it changes is sampled.
    """

    drawn = True
    quantity = ""

    def __init__(self, space: SearchSpace) -> None:
        self.edges = self.find_edges(space)
        self.space = gymnasium.spaces.Discrete(BINS)

    @abstractmethod
    def find_edges(self, space: SearchSpace) -> NDArray[np.float64]:
        """Return the 99 edges between the bins in ascending order."""

    @abstractmethod
    def value(self, state: EditState) -> float:
        """Return the number to discretize."""

    def labels(self) -> list[str]:
        """Return the range of each bin, as text."""
        return [f"< {self.edges[0]:.3g}", *(f"≥ {edge:.3g}" for edge in self.edges)]

    def observe(self, state: EditState) -> np.int64:
        """Return the index of the bin; an edge belongs to the bin above it."""
        return np.int64(np.searchsorted(self.edges, self.value(state), side="right"))


@EDIT_OBSERVATIONS.register("loss-bins")
class LossBins(Bins):
    """The validation loss, in the bins of `loss_edges`."""

    quantity = "validation loss, nats"

    def find_edges(self, space: SearchSpace) -> NDArray[np.float64]:
        """Return the edges in nats."""
        return loss_edges(space)

    def value(self, state: EditState) -> float:
        """Return the loss in nats."""
        return state.loss


@EDIT_OBSERVATIONS.register("accuracy-bins")
class AccuracyBins(Bins):
    """The validation accuracy, in 100 bins of one percent."""

    quantity = "validation accuracy"

    def find_edges(self, space: SearchSpace) -> NDArray[np.float64]:
        """Return 0.01, 0.02, ... 0.99."""
        return np.arange(1, BINS) / BINS

    def value(self, state: EditState) -> float:
        """Return the accuracy, a fraction."""
        return state.accuracy


@EDIT_OBSERVATIONS.register("features")
class TrainingFeatures(Observation):
    """Features of the network and its performance, `Box(0, 1)` float32.

    The features are, in this order:

    * loss, where 1 is at least twice the loss of a uniform guess;
    * accuracy;
    * layers, relative to the maximum;
    * parameters, relative to the maximum on a log scale;
    * n / (n + 10) after n actions;
    * the last edit, one-hot;
    * the tokens of the walk, one-hot.
    """

    def __init__(self, space: SearchSpace) -> None:
        automaton = space.automaton()
        self.tokens = Tokens(space)
        self.width = space.num_decisions + 1
        self.rules = space.edit_rules
        self.worst = MOST * chance_loss(space)
        self.log_max_cost = math.log1p(automaton.max_cost or 1)
        names = ["loss", "accuracy", "layers", "params", "steps"]
        self.first_edit = len(names)
        self.first_token = len(names) + len(self.rules.edits)
        self.size = self.first_token + space.max_length * self.width
        self.rows = np.arange(space.max_length) * self.width + self.first_token
        self.space = gymnasium.spaces.Box(0.0, 1.0, (self.size,), np.float32)

    def observe(self, state: EditState) -> NDArray[np.float32]:
        """Return a float32 array (features,)."""
        out = np.zeros(self.size, dtype=np.float32)
        out[0] = min(max(state.loss, 0.0) / self.worst, 1.0)
        out[1] = state.accuracy
        out[2] = len(self.rules.layers(state.walk)) / self.rules.max_layers
        out[3] = min(math.log1p(state.spent) / self.log_max_cost, 1.0)
        out[4] = state.steps / (state.steps + 10)
        if state.last >= 0:
            out[self.first_edit + state.last] = 1.0
        out[self.rows + self.tokens.observe(state)] = 1.0
        return out
