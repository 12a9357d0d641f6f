"""What a surrogate is: numbers of all networks of a space, predicted from those of a sample."""

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
    """How well a number is predicted of networks that the model was not fitted to.

    Attributes:
        r2: Share of the variance that is explained, in the number's own unit; at most 1.
        tau: Kendall's rank correlation (tau-b), in [-1, 1].
        relative: Median of |predicted - measured| / measured.
    """

    r2: float
    tau: float
    relative: float


class Quadratic:
    """The features of a quadratic model: effects of each decision, and of each pair of decisions.

    A position with n legal decisions has n - 1 columns, orthogonal contrasts of mean 0 and mean
    square 1 over its decisions; two positions have the products of their columns. All columns of a
    walk drawn uniformly have variance 1, so a ridge penalty shrinks every effect alike.

    Args:
        legal: Legal decisions of each position, whatever was decided before.

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
        """Number of features, the constant among them."""
        return 1 + len(self.column) + len(self.first)

    def features(self, walks: NDArray[Any]) -> Numbers:
        """Return (n, num_features) features of complete walks (n, positions)."""
        single = self.values[walks[:, self.position], self.column]
        found = np.ones((len(walks), self.num_features))  # rows are contiguous, see `predict`
        found[:, 1 : 1 + len(self.column)] = single
        found[:, 1 + len(self.column) :] = single[:, self.first] * single[:, self.second]
        return found

    def knows(self, walk: Walk) -> bool:
        """Return whether a walk is complete and legal."""
        return len(walk) == len(self.legal) and all(
            decision in decisions for decision, decisions in zip(walk, self.legal, strict=True)
        )


def contrasts(count: int) -> Numbers:
    """Return (count, count - 1) Helmert contrasts: columns of mean 0, mean square 1, orthogonal."""
    found = np.zeros((count, count - 1))
    for column in range(count - 1):
        found[: column + 1, column] = -1
        found[column + 1, column] = column + 1
    found *= np.sqrt(count / (found**2).sum(axis=0))
    return found


def legal_by_position(space: SearchSpace) -> list[tuple[int, ...]]:
    """Return the legal decisions at each position of a space where they depend on it alone."""
    state, found = space.start(), []
    while (choice := space.choice(state)) is not None:
        found.append(choice.legal)
        state = space.follow(state, choice.legal[0])
    return found


def to_fitted(numbers: Numbers, is_accuracy: bool) -> Numbers:
    """Return the logarithm of positive numbers; of accuracies, that of the error."""
    return np.log(1 - numbers if is_accuracy else numbers)


def from_fitted(fitted: Numbers, is_accuracy: bool) -> Numbers:
    """Return the numbers that `to_fitted` made these of; accuracies within [0, 1]."""
    return np.maximum(1 - np.exp(fitted), 0.0) if is_accuracy else np.exp(fitted)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A space of which every network's numbers are predicted.

    Attributes:
        name: The registered name.
        space: Name of the search space.
        spec: The task that the networks of the sample were trained for.
        model: Makes the features of walks.
        weights: Name of a number to its (num_features,) weights, fitted to what `to_fitted` makes.
        errors: Name of a number to how well it is predicted of networks held out.
        accuracies: Names of the numbers that are accuracies (fractions).
        hardware: Device to what was measured on it: metrics that are numbers' names without the
            device's before them.
        networks: Distinct networks of the sample.
        best: The best accuracy of the sample, as it was measured.
        excess: By how much the accuracy is predicted too high, in the mean of the hundredth of the
            held-out networks that is predicted best: what selecting by the model costs.
        top_tau: Kendall's tau of the accuracy within the best tenth of the sample, held out.
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
        """Return the space, made for the task of the sample."""
        return SPACES.get(self.space)(self.spec.input_shape, self.spec.num_outputs, max_params)

    def predict(self, walks: NDArray[Any], *names: str) -> dict[str, Numbers]:
        """Return (n,) predicted numbers by name, all unless some are named.

        A walk's numbers do not depend on which others are asked for with it, to the last bit: each
        row is summed by itself, which a matrix product does not promise.

        Args:
            walks: (n, positions) decisions of complete legal walks.
            names: Which numbers.
        """
        features = self.model.features(walks)
        return {
            name: from_fitted((features * self.weights[name]).sum(axis=1), name in self.accuracies)
            for name in names or self.weights
        }


class SurrogateTask(TaskWithoutData):
    """The task that a surrogate's sample was trained for; the data do not come along."""

    def __init__(self, surrogate: Surrogate) -> None:
        super().__init__(surrogate.spec, "surrogate", surrogate.name)
        self.surrogate = surrogate


SURROGATES: Registry[Callable[[], Surrogate]] = Registry("surrogate", package="nas_env.surrogates")
