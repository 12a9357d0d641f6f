"""The interface of a task."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nas_env.architecture import Recipe, Shape
from nas_env.errors import IncompatibleError
from nas_env.evaluation import Budget
from nas_env.registry import Registry

if TYPE_CHECKING:
    from torch import nn

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class TaskSpec:
    """Public description of a task.

    Attributes:
        name: The registered name.
        version: Increased when results on the task change.
        modality: "image" or "vector"; a search space must have the same.
        input_shape: Shape of one sample without the batch, (channels, height, width) or (n,).
        num_outputs: Number of classes; 1 for regression.
        metric: The metric that a search optimises.
        sizes: Samples in the training, validation and test split.
        problem: "classification" or "regression".
        reports: Quality metrics of an evaluation, without the loss.
        higher_is_better: Direction of the metric: a fraction in [0, 1] (True), or an error >= 0.
        baseline_error: Error of the best constant prediction on the training split; scores are
            relative to it. Used only if the metric is an error.
    """

    name: str
    version: int
    modality: str
    input_shape: Shape
    num_outputs: int
    metric: str = "accuracy"
    sizes: tuple[int, int, int] = (0, 0, 0)
    problem: str = "classification"
    reports: tuple[str, ...] = ("accuracy",)
    higher_is_better: bool = True
    baseline_error: float = 0.0


class TrainingTimeout(Exception):
    """Training exceeded its time limit."""


class TrainingDiverged(Exception):
    """Training was stopped because the loss is NaN, infinite or very large."""


class ResumeRefused(Exception):
    """A training cannot resume from the given state; the network must be rebuilt."""


@runtime_checkable
class Resumable(Protocol):
    """Epochs of a training that can be resumed later."""

    def state(self) -> dict[str, Any]:
        """Return all state that the next epoch needs: tensors, numbers, text, and lists of them."""
        ...


class Task(ABC):
    """Data in three splits, a loss and a metric.

    `fit` trains on the training split and measures on the validation split. The test split is
    sealed: only `test` reads it, and only the report calls `test`.
    """

    @property
    @abstractmethod
    def spec(self) -> TaskSpec:
        """Name, shapes and metric."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Text that changes if the data, the split or the preprocessing change."""

    @abstractmethod
    def fit(
        self,
        network: nn.Module,
        recipe: Recipe,
        budget: Budget,
        *,
        device: str = "cpu",
        precision: str = "float32",
        resume: Mapping[str, Any] | None = None,
    ) -> Iterator[Metrics]:
        """Train in place and yield "accuracy", "loss" (validation) and "train_loss" every epoch.

        The caller may stop early. The order of samples and the augmentation depend on
        `budget.training_seed`. Random numbers drawn by the network (dropout) come from torch's
        global generator, which the caller seeds.

        A training can be resumed if the iterator has a method `state` (see `Resumable`). A plain
        generator is also valid; it is restarted from the first epoch when more epochs are needed.

        Args:
            network: A newly built network; changed in place.
            recipe: The training recipe.
            budget: Number of epochs, length of the schedule, seed and time limit.
            device: Device to train on.
            precision: "float32" or "bfloat16".
            resume: The state that `state` returned, with two more keys: "curve" (the metrics of
                the epochs so far) and "seconds" (the time they took, which counts against
                `budget.max_seconds`). Only the later epochs are trained and yielded. They equal
                those of an uninterrupted training bit for bit. Passed only if the iterator had
                `state`.

        Raises:
            ResumeRefused: The state does not fit the network or the recipe.
            TrainingTimeout: The training takes longer than `budget.max_seconds`.
            TrainingDiverged: The loss is NaN, infinite, or too large to learn from.
        """

    @abstractmethod
    def test(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Return "accuracy" and "loss" on the sealed test split. Only the report calls it."""


class TaskWithoutData(Task):
    """A task without data, for networks whose results are already known, such as from a table.

    Args:
        spec: Name, shapes and metric.
        known_by: Kind of source of the results, such as "table", for messages.
        name: Name of that source.
    """

    def __init__(self, spec: TaskSpec, known_by: str, name: str) -> None:
        self._spec, self.known_by, self.name = spec, known_by, name

    @property
    def spec(self) -> TaskSpec:
        """Name, shapes and metric."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Kind and name of the source of the results."""
        return f"{self.known_by}-{self.name}"

    def fit(
        self,
        network: nn.Module,
        recipe: Recipe,
        budget: Budget,
        *,
        device: str = "cpu",
        precision: str = "float32",
        resume: Mapping[str, Any] | None = None,
    ) -> Iterator[Metrics]:
        """Raise an error, because the task has no data.

        Raises:
            IncompatibleError: Always.
        """
        raise IncompatibleError(self._refusal)

    def test(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Raise an error, because the task has no data.

        Raises:
            IncompatibleError: Always.
        """
        raise IncompatibleError(self._refusal)

    @property
    def _refusal(self) -> str:
        return (
            f"Task {self.spec.name!r} has a {self.known_by} but no data, so networks cannot be "
            "trained or tested. Give evaluator='training' with task=NAME or data=PATH."
        )


TASKS: Registry[Callable[..., Task]] = Registry("task", package="nas_env.tasks")


def needs_data(name: str) -> bool:
    """Return whether a registered task requires the argument `data`.

    Example:
        >>> needs_data("own-data"), needs_data("digits")
        (True, False)
    """
    data = inspect.signature(TASKS.get(name)).parameters.get("data")
    return data is not None and data.default is data.empty
