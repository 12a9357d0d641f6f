"""Problems for the training loop: the loss, and the metrics on a split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from nas_env.tasks._metrics import balanced_accuracy, macro_f1, roc_auc

Measured = Iterable[tuple[Tensor, Tensor]]  # outputs and targets of one batch after another
EXTRA_METRICS = {"balanced_accuracy": balanced_accuracy, "f1": macro_f1, "roc_auc": roc_auc}


class Problem(Protocol):
    """A loss for training and metrics for evaluation."""

    def loss(self, outputs: Tensor, y: Tensor, label_smoothing: float) -> Tensor:
        """Return the mean loss of a batch, a scalar."""
        ...

    def baseline_loss(self, y: Tensor) -> float:
        """Return the loss of a constant prediction on training targets."""
        ...

    def measure(self, parts: Measured) -> dict[str, float]:
        """Return "loss" and the metrics over all parts of a split."""
        ...


class Classification:
    """Cross-entropy in nats; outputs are (batch, classes) logits, targets (batch,) int64.

    Args:
        reports: Metrics in addition to the loss: "accuracy", and those of `EXTRA_METRICS`.
        class_weights: Weight of the samples of each class in the training loss, with a mean of 1
            over the training samples. None: all samples have weight 1. Measured losses are never
            weighted, so those of trainings with and without weights are comparable.
    """

    def __init__(
        self,
        reports: tuple[str, ...] = ("accuracy",),
        class_weights: Sequence[float] | None = None,
    ) -> None:
        self.extra = [name for name in reports if name != "accuracy"]
        self._weights = None if class_weights is None else torch.tensor(class_weights)

    def loss(self, outputs: Tensor, y: Tensor, label_smoothing: float) -> Tensor:
        """Return the mean cross-entropy, each sample multiplied by the weight of its class.

        The divisor is the number of samples, not the sum of their weights: otherwise a rare class
        would count less in batches that contain it. A sample's label smoothing has the same weight.
        """
        if self._weights is None:
            return functional.cross_entropy(outputs, y, label_smoothing=label_smoothing)
        self._weights = self._weights.to(y.device)  # copied once
        losses = functional.cross_entropy(
            outputs, y, label_smoothing=label_smoothing, reduction="none"
        )
        return (losses * self._weights[y]).mean()

    def baseline_loss(self, y: Tensor) -> float:
        """Return the logarithm of the number of classes.

        It is the loss of equal probabilities, with class weights too, because their mean is 1.
        """
        return math.log(max(2, int(y.max()) + 1))

    def measure(self, parts: Measured) -> dict[str, float]:
        """Return "accuracy" (fraction), "loss" (mean, nats, unweighted) and the extra metrics."""
        batches: list[tuple[Tensor, Tensor]] = []
        loss, hits, count = 0.0, 0, 0
        total: Tensor | None = None
        right: Tensor | None = None
        for outputs, y in parts:
            summed = functional.cross_entropy(outputs, y, reduction="sum").double()
            correct = (outputs.argmax(1) == y).sum()
            total = summed if total is None else total + summed
            right = correct if right is None else right + correct
            count += len(y)
            if self.extra:
                batches.append((outputs, y))
        if total is not None and right is not None:
            loss, hits = total.item(), int(right.item())
        metrics = {"accuracy": hits / count, "loss": loss / count}
        if self.extra:
            outputs, y = (torch.cat(column).cpu() for column in zip(*batches, strict=True))
            metrics |= {name: EXTRA_METRICS[name](outputs, y) for name in self.extra}
        return metrics


class Regression:
    """Squared error; outputs are (batch, 1), targets (batch,) float32 with mean 0 and sd 1.

    Args:
        sd: Standard deviation of the training targets, in the targets' own unit.
    """

    def __init__(self, sd: float) -> None:
        self.sd = sd

    def loss(self, outputs: Tensor, y: Tensor, label_smoothing: float) -> Tensor:
        """Return the mean squared error in units of the training targets' variance."""
        return functional.mse_loss(outputs[:, 0], y)

    def baseline_loss(self, y: Tensor) -> float:
        """Return the loss of always predicting the mean."""
        return 1.0

    def measure(self, parts: Measured) -> dict[str, float]:
        """Return "mae" in the targets' own unit, "mse" in its square, "r2", and "loss".

        "r2" is 1 - (squared error) / (squared error of the split's own mean). "loss" is the
        standardised mse.
        """
        columns = ((outputs[:, 0].double(), y.double()) for outputs, y in parts)
        predicted, y = (torch.cat(column) for column in zip(*columns, strict=True))
        error = predicted - y
        loss, spread = error.square().mean().item(), (y - y.mean()).square().mean().item()
        r2 = 1 - loss / spread if spread > 0 else float(loss == 0)
        mae = error.abs().mean().item() * self.sd
        return {"mse": loss * self.sd**2, "mae": mae, "r2": r2, "loss": loss}
