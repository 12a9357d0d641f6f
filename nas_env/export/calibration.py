"""Calibration of class probabilities by a temperature.

Reference: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: the expected
calibration error (section 2) and temperature scaling (section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas_env.errors import IncompatibleError
from nas_env.tasks.base import Task

BINS = 15  # as in the paper
LIMITS = (0.05, 20.0)  # without errors on the split, the best temperature would be 0
HALVINGS = 60
BATCH = 1024


@dataclass(frozen=True)
class Calibration:
    """A temperature, and the expected calibration errors on the validation split.

    Attributes:
        temperature: Logits are divided by it.
        before: Error of the probabilities without the temperature, in [0, 1].
        after: Error with the temperature, on the samples that it was fitted on.
    """

    temperature: float
    before: float
    after: float

    @property
    def at_a_limit(self) -> bool:
        """Whether the temperature is the lowest or the highest that is tried."""
        return self.temperature in LIMITS


def calibrate(network: nn.Module, task: Task) -> Calibration:
    """Return the temperature that fits the validation split best; other splits are not read.

    Args:
        network: The trained classifier.
        task: Its task.

    Raises:
        IncompatibleError: The task is no classification, or has no validation samples.
    """
    spec, tensors = task.spec, getattr(task, "tensors", None)
    if spec.problem != "classification":
        raise IncompatibleError(
            f"Calibration needs class probabilities, but {spec.name!r} is a {spec.problem} task. "
            "Leave calibration out."
        )
    if tensors is None:
        raise IncompatibleError(
            f"Task {spec.name!r} gives no samples to calibrate with. Implement the method "
            "`tensors`, as in SupervisedTask."
        )
    x, y = tensors("validation")
    logits = _logits(network, x)
    temperature = fit_temperature(logits, y)
    before, after = (calibration_error(logits / t, y) for t in (1.0, temperature))
    return Calibration(temperature, before, after)


def fit_temperature(logits: Tensor, y: Tensor) -> float:
    """Return the temperature within `LIMITS` with the least cross-entropy, to six digits.

    The cross-entropy is convex in 1 / temperature, so the sign of its slope is bisected.

    Args:
        logits: (n, classes).
        y: (n,) classes.

    Example:
        >>> logits = torch.tensor([[4.0, 0.0]] * 3 + [[0.0, 4.0]])
        >>> fit_temperature(logits, torch.zeros(4, dtype=torch.int64))  # 4 / log(3)
        3.64096
    """
    logits = logits.double()
    chosen = logits.gather(1, y[:, None])[:, 0]
    lowest, highest = (torch.tensor(1 / t, dtype=torch.float64).log() for t in reversed(LIMITS))
    for _ in range(HALVINGS):
        middle = (lowest + highest) / 2
        expected = ((logits * middle.exp()).softmax(1) * logits).sum(1)
        if (expected - chosen).mean() < 0:  # a lower temperature is better
            lowest = middle
        else:
            highest = middle
    return float(f"{1 / ((lowest + highest) / 2).exp().item():.6g}")


def calibration_error(logits: Tensor, y: Tensor, bins: int = BINS) -> float:
    """Return the expected calibration error of the most probable classes.

    It is the mean over the samples of |accuracy - mean confidence| of their bin. Bins are intervals
    of the confidence of equal width, (0, 1/15], (1/15, 2/15] and so on.

    Args:
        logits: (n, classes).
        y: (n,) classes.
        bins: Number of bins.

    Reference: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Example:
        >>> logits = torch.tensor([[0.8, 0.2]] * 4).log()
        >>> round(calibration_error(logits, torch.tensor([0, 0, 1, 1])), 6)
        0.3
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    gap = (predicted == y).double() - confidence
    sums = torch.zeros(bins, dtype=torch.float64)
    sums.index_add_(0, torch.bucketize(confidence, edges), gap)
    return (sums.abs().sum() / len(y)).item()


@torch.inference_mode()
def _logits(network: nn.Module, x: Any) -> Tensor:
    network.eval()
    return torch.cat([network(x[i : i + BATCH]) for i in range(0, len(x), BATCH)])
