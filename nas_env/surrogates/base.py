"""Surrogates: predict metrics of all networks of a space from a sample of measured networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.registry import Registry
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.tasks.base import TaskSpec, TaskWithoutData

Numbers = NDArray[np.float64]


class Errors(NamedTuple):
    """The prediction quality of a metric on held-out networks.

    Attributes:
        r2: Fraction of the variance explained, in the unit of the metric; at most 1.
        tau: Kendall's rank correlation (tau-b), in [-1, 1].
        relative: Median of |predicted - measured| / measured.
    """

    r2: float
    tau: float
    relative: float


class Quadratic:
    """The features of a quadratic model: effects of each decision, and of each pair of decisions.

    A position with n legal decisions has n - 1 columns: orthogonal contrasts with mean 0 and mean
    square 1 over its decisions. Each pair of positions has the products of their columns. For
    uniformly drawn walks, all columns have variance 1, so a ridge penalty shrinks all effects
    equally.

    Args:
        legal: Legal decisions of each position, independent of earlier decisions.

    Example:
        >>> Quadratic([(0, 1), (2, 3)]).features(np.array([[0, 3]])).tolist()
        [[1.0, -1.0, 1.0, -1.0]]
    """

    def __init__(self, legal: Sequence[Sequence[int]]) -> None:
        self.legal = [tuple(decisions) for decisions in legal]
        widths = [len(decisions) - 1 for decisions in self.legal]
        self.position = np.repeat(np.arange(len(widths)), widths)  # of each column
        self.column = np.arange(len(self.position))
        self.values = np.zeros((1 + max(map(max, self.legal)), len(self.position)))
        for place, decisions in enumerate(self.legal):
            columns = np.flatnonzero(self.position == place)
            self.values[np.ix_(np.array(decisions), columns)] = contrasts(len(decisions))
        pairs = combinations(self.column.tolist(), 2)
        apart = [pair for pair in pairs if self.position[pair[0]] != self.position[pair[1]]]
        self.first, self.second = np.array(apart, dtype=np.intp).reshape(-1, 2).T

    @property
    def num_features(self) -> int:
        """Number of features, including the constant."""
        return 1 + len(self.column) + len(self.first)

    def features(self, walks: NDArray[Any]) -> Numbers:
        """Return (n, num_features) features of complete walks (n, positions)."""
        single = self.values[walks[:, self.position], self.column]
        features = np.ones((len(walks), self.num_features))  # contiguous rows, see `predict`
        features[:, 1 : 1 + len(self.column)] = single
        features[:, 1 + len(self.column) :] = single[:, self.first] * single[:, self.second]
        return features

    def knows(self, walk: Walk) -> bool:
        """Return whether a walk is complete and legal."""
        return len(walk) == len(self.legal) and all(
            decision in decisions for decision, decisions in zip(walk, self.legal, strict=True)
        )


def contrasts(count: int) -> Numbers:
    """Return (count, count - 1) Helmert contrasts: columns of mean 0, mean square 1, orthogonal."""
    matrix = np.zeros((count, count - 1))
    for column in range(count - 1):
        matrix[: column + 1, column] = -1
        matrix[column + 1, column] = column + 1
    matrix *= np.sqrt(count / (matrix**2).sum(axis=0))
    return matrix


def legal_by_position(space: SearchSpace) -> list[tuple[int, ...]]:
    """Return the legal decisions at each position of a space in which they depend on it only."""
    state, legal = space.start(), []
    while (choice := space.choice(state)) is not None:
        legal.append(choice.legal)
        state = space.follow(state, choice.legal[0])
    return legal


def to_fitted(numbers: Numbers, is_accuracy: bool) -> Numbers:
    """Return the logarithm of positive numbers, or of 1 - accuracy for accuracies."""
    return np.log(1 - numbers if is_accuracy else numbers)


def from_fitted(fitted: Numbers, is_accuracy: bool) -> Numbers:
    """Invert `to_fitted`; accuracies are clipped at 0."""
    return np.maximum(1 - np.exp(fitted), 0.0) if is_accuracy else np.exp(fitted)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A model that predicts the metrics of every network of a space.

    Attributes:
        name: The registered name.
        space: Name of the search space.
        spec: The task that the networks of the sample were trained for.
        model: Computes the features of walks.
        weights: Maps each metric to its (num_features,) weights, fitted to `to_fitted` values.
        errors: Maps each metric to its prediction quality on held-out networks.
        accuracies: Names of the metrics that are accuracies (fractions).
        hardware: Maps each device to its measured metrics, named without the device prefix.
        networks: Number of distinct networks in the sample.
        best: The best measured accuracy of the sample.
        excess: Mean overestimate of the accuracy for the 1 % of the held-out networks with the best
            predictions: the bias caused by selection with the model.
        top_tau: Kendall's tau of the accuracy on held-out data, within the best 10 % of the sample.
    """

    name: str
    space: str
    spec: TaskSpec
    model: Quadratic
    weights: Mapping[str, Numbers]
    errors: Mapping[str, Errors]
    accuracies: frozenset[str]
    hardware: Mapping[str, tuple[str, ...]]
    networks: int
    best: float
    excess: float
    top_tau: float

    def make_space(self, max_params: int | None) -> SearchSpace:
        """Create the space for the task of the sample."""
        return SPACES.get(self.space)(self.spec.input_shape, self.spec.num_outputs, max_params)

    def predict(self, walks: NDArray[Any], *names: str) -> dict[str, Numbers]:
        """Return (n,) predictions by metric name, of all metrics by default.

        The predictions for a walk are bitwise independent of the other walks, because each row is
        summed separately; a matrix product does not guarantee this.

        Args:
            walks: (n, positions) decisions of complete legal walks.
            names: Names of the metrics.
        """
        features = self.model.features(walks)
        return {
            name: from_fitted((features * self.weights[name]).sum(axis=1), name in self.accuracies)
            for name in names or self.weights
        }


class SurrogateTask(TaskWithoutData):
    """The task that a surrogate's sample was trained for, without its data."""

    def __init__(self, surrogate: Surrogate) -> None:
        super().__init__(surrogate.spec, "surrogate", surrogate.name)
        self.surrogate = surrogate


SURROGATES: Registry[Callable[[], Surrogate]] = Registry("surrogate", package="nas_env.surrogates")
