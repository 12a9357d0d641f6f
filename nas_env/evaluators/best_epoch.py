"""Early stopping of one training: the weights of its best epoch on validation are kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nas_env.tasks.base import Metrics, TaskSpec

if TYPE_CHECKING:
    from torch import nn

PATIENCE_SHARE = 0.25  # of the epochs
MIN_PATIENCE = 5


def patience_of(epochs: int) -> int:
    """Return the epochs without improvement after which a training of `epochs` stops.

    Example:
        >>> [patience_of(epochs) for epochs in (1, 20, 21, 40)]
        [5, 5, 6, 10]
    """
    return max(MIN_PATIENCE, math.ceil(PATIENCE_SHARE * epochs))


class BestEpoch:
    """Keeps the weights of the epoch with the best validation metric, and ends a training early.

    A training ends after `patience` epochs without improvement. Of equal epochs, the earliest is
    kept. Weights are copied to the CPU after each improvement.

    Args:
        metric: Name of the metric.
        higher_is_better: Direction of the metric.
        patience: Epochs without improvement after which a training ends.

    Attributes:
        number: The kept epoch, from 1; 0 before the first epoch.
        epochs: Epochs so far.
    """

    def __init__(self, metric: str, higher_is_better: bool, patience: int) -> None:
        self.metric, self.higher_is_better, self.patience = metric, higher_is_better, patience
        self.number = self.epochs = 0
        self._value = 0.0
        self._weights: dict[str, Any] = {}

    @classmethod
    def of(cls, spec: TaskSpec, epochs: int) -> BestEpoch:
        """Return one for a task's metric, with the default patience; see `patience_of`."""
        return cls(spec.metric, spec.higher_is_better, patience_of(epochs))

    def ends_after(self, network: nn.Module, metrics: Metrics) -> bool:
        """Record an epoch, and return whether the training ends after it.

        Args:
            network: The network in its state after the epoch.
            metrics: Metrics of the epoch.
        """
        self.epochs += 1
        value = metrics[self.metric]
        better = value > self._value if self.higher_is_better else value < self._value
        if better or self.number == 0:
            self.number, self._value = self.epochs, value
            copies = network.state_dict().items()
            self._weights = {name: x.detach().to("cpu", copy=True) for name, x in copies}
        return self.epochs - self.number >= self.patience

    def restore(self, network: nn.Module) -> None:
        """Give a network the weights of the kept epoch."""
        network.load_state_dict(self._weights)
