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
    """What the outside must know of a task.

    Attributes:
        name: The registered name.
        version: Raised when the numbers of the task change.
        modality: "image" or "vector"; a search space must have the same.
        input_shape: Shape of one sample without the batch, (channels, height, width) or (n,).
        num_outputs: Number of classes; 1 where a number is predicted.
        metric: The metric a search is about.
        sizes: Samples in the training, validation and test split.
        problem: "classification" or "regression".
        reports: Metrics of quality that an evaluation has, the loss apart.
        higher_is_better: Direction of the metric: a fraction in [0, 1] (True), or an error >= 0.
        baseline_error: Error of the best constant prediction on the training split; scores are
            relative to it. Only for a metric that is an error.
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
    """Training was stopped because its time was over."""


class TrainingDiverged(Exception):
    """Training was stopped because the loss is no number, or a very large one."""


class ResumeRefused(Exception):
    """A training cannot go on from the state it was given; the network must be built anew."""


@runtime_checkable
class Resumable(Protocol):
    """Epochs of a training that can go on later where they were left."""

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch depends on: tensors, numbers, text, and lists of them."""
        ...


class Task(ABC):
    """Data in three splits, a loss and a metric.

    `fit` sees the training split and reports on the validation split. The test split is sealed:
    only `test` reads it, and only the report calls `test`.
    """

    @property
    @abstractmethod
    def spec(self) -> TaskSpec:
        """Name, shapes and metric."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Text that changes whenever data, split or preparation change."""

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

        The caller may stop early. The order of samples and the augmentation follow
        `budget.training_seed`; whatever the network draws itself (dropout) follows torch's global
        generator, which the caller seeds.

        A training can be continued where the iterator has a method `state` (see `Resumable`); a
        plain generator serves too, and is trained anew where more epochs are wanted.

        Args:
            network: A network as it was built; changed in place.
            recipe: How it is trained.
            budget: How many epochs, of which schedule, with which seed, in which time.
            device: Where it is trained.
            precision: "float32" or "bfloat16".
            resume: What `state` returned, with "curve" (the metrics of the epochs so far) and
                "seconds" (which they took, and which count against `budget.max_seconds`) beside
                it. Only the epochs after it are trained and yielded, bit for bit as if nothing had
                come between. Given only where `state` was there.

        Raises:
            ResumeRefused: The state does not fit the network or the recipe.
            TrainingTimeout: `budget.max_seconds` are over.
            TrainingDiverged: The loss is NaN, infinite, or so large that nothing is learnt.
        """

    @abstractmethod
    def test(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Return "accuracy" and "loss" on the sealed test split. Only the report calls it."""


class TaskWithoutData(Task):
    """The shapes of a task whose data do not come along; its networks' numbers are known already.

    Args:
        spec: Name, shapes and metric.
        known_by: What knows the numbers, such as "table", for a message.
        name: Name of that.
    """

    def __init__(self, spec: TaskSpec, known_by: str, name: str) -> None:
        self._spec, self.known_by, self.name = spec, known_by, name

    @property
    def spec(self) -> TaskSpec:
        """Name, shapes and metric."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Name of what knows the numbers."""
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
        """Refuse: there are no data.

        Raises:
            IncompatibleError: Always.
        """
        raise IncompatibleError(self._refusal)

    def test(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Refuse: there are no data.

        Raises:
            IncompatibleError: Always.
        """
        raise IncompatibleError(self._refusal)

    @property
    def _refusal(self) -> str:
        return (
            f"The data of task {self.spec.name!r} do not come with its {self.known_by}, so nothing "
            "can be trained or tested. Give evaluator='training' with task=NAME or data=PATH."
        )


TASKS: Registry[Callable[..., Task]] = Registry("task", package="nas_env.tasks")


def needs_data(name: str) -> bool:
    """Return whether a registered task can only be made with `data`.

    Example:
        >>> needs_data("own-data"), needs_data("digits")
        (True, False)
    """
    data = inspect.signature(TASKS.get(name)).parameters.get("data")
    return data is not None and data.default is data.empty
