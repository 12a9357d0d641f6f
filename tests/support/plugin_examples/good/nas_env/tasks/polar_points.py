"""`polar-points`: predict both Cartesian coordinates of a point from its polar ones.

It derives from `Task` alone: it has neither classes nor a single number to predict, and trains with
a loop of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_env.architecture import Recipe
from nas_env.evaluation import Budget
from nas_env.tasks.base import TASKS, Metrics, Task, TaskSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

SIZES = (120, 40, 40)
BASELINE_ERROR = 0.95  # mean squared error of the training split's mean


@TASKS.register("polar-points")
class PolarPoints(Task):
    """200 points; inputs are (radius, angle), targets (x, y)."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        radius, angle = rng.uniform(0.5, 2, sum(SIZES)), rng.uniform(-np.pi, np.pi, sum(SIZES))
        self.x = np.stack([radius, angle], axis=1).astype(np.float32)
        y = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        self.y = y.astype(np.float32)

    @property
    def spec(self) -> TaskSpec:
        """Two inputs, two outputs, mean squared error."""
        return TaskSpec(
            "polar-points",
            1,
            "vector",
            (2,),
            2,
            metric="mse",
            sizes=SIZES,
            problem="regression",
            reports=("mse",),
            higher_is_better=False,
            baseline_error=BASELINE_ERROR,
        )

    @property
    def fingerprint(self) -> str:
        """Name and version; the data are computed."""
        return "polar-points-v1"

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
        """Take one step of Adam over all training points every epoch."""
        import torch

        network.to(device)
        x, y = self.tensors(0, device)
        optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate)
        for _ in range(budget.epochs):
            network.train()
            loss = torch.nn.functional.mse_loss(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield {**self.measure(network, 1, device), "train_loss": loss.item()}

    def test(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Return the error on the test split."""
        return self.measure(network, 2, device)

    def measure(self, network: nn.Module, split: int, device: str) -> dict[str, float]:
        """Return the mean squared error on a split, by its number."""
        import torch

        x, y = self.tensors(split, device)
        network.eval()
        with torch.inference_mode():
            error = torch.nn.functional.mse_loss(network(x), y).item()
        return {"mse": error, "loss": error}

    def tensors(self, split: int, device: str) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of a split, by its number."""
        import torch

        part = slice(sum(SIZES[:split]), sum(SIZES[: split + 1]))
        return torch.from_numpy(self.x[part]).to(device), torch.from_numpy(self.y[part]).to(device)
