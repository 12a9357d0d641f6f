"""`wrong-repeats`: a task without classes whose training never has the same result twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nas_env.architecture import Recipe
from nas_env.evaluation import Budget
from nas_env.tasks.base import TASKS, Metrics, Task, TaskSpec

if TYPE_CHECKING:
    from torch import nn

CALLS = itertools.count(1)


@TASKS.register("wrong-repeats")
class WrongRepeats(Task):
    """Reports how often it was asked."""

    @property
    def spec(self) -> TaskSpec:
        """Two inputs, two outputs, mean squared error."""
        sizes, reports = (3, 1, 1), ("mse",)
        return TaskSpec(
            "wrong-repeats", 1, "vector", (2,), 2, "mse", sizes, "regression", reports, False, 1.0
        )

    @property
    def fingerprint(self) -> str:
        """The name."""
        return "wrong-repeats-v1"

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
        """Train nothing."""
        for _ in range(budget.epochs):
            yield {**self.test(network), "train_loss": 0.0}

    def test(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Return another number at each call."""
        number = float(next(CALLS))
        return {"mse": number, "loss": number}
