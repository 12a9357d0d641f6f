"""Classification metrics other than accuracy; the values equal those of scikit-learn."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def balanced_accuracy(outputs: Tensor, y: Tensor) -> float:
    """Return the mean recall over the classes that occur.

    Args:
        outputs: (n, classes) logits.
        y: (n,) classes.

    Reference: `sklearn.metrics.balanced_accuracy_score`.
    """
    hits, actual, _ = _counts(outputs, y)
    occurs = actual > 0
    return (hits[occurs] / actual[occurs]).mean().item()


def macro_f1(outputs: Tensor, y: Tensor) -> float:
    """Return the mean of 2PR / (P + R) over the classes that occur or are predicted.

    Args:
        outputs: (n, classes) logits.
        y: (n,) classes.

    Reference: `sklearn.metrics.f1_score(average="macro")`.
    """
    hits, actual, predicted = _counts(outputs, y)
    occurs = actual + predicted > 0
    return (2 * hits[occurs] / (actual + predicted)[occurs]).mean().item()


def roc_auc(outputs: Tensor, y: Tensor) -> float:
    """Return the area under the ROC curve of the class probabilities.

    With two classes, it is the area of the second class. With more classes, it is the mean of the
    one-vs-rest areas of the classes that occur. For a split with one class the area is undefined,
    and 0.5 (random guessing) is returned.

    Args:
        outputs: (n, classes) logits.
        y: (n,) classes.

    Reference: `sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")`.
    """
    probabilities = outputs.double().softmax(1)
    classes = range(outputs.shape[1]) if outputs.shape[1] > 2 else (1,)
    areas = [_area(probabilities[:, c], y == c) for c in classes if 0 < (y == c).sum() < len(y)]
    return sum(areas) / len(areas) if areas else 0.5


def _area(scores: Tensor, positive: Tensor) -> float:
    """Return how often a positive sample has the higher score (Mann-Whitney); ties count half."""
    _, place, counts = np.unique(scores.numpy(), return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]  # from 1; equal scores share the mean
    count = int(positive.sum())
    above = float(ranks[positive.numpy()].sum()) - count * (count + 1) / 2
    return above / (count * (len(positive) - count))


def _counts(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return per class the number of true positives, of samples, and of predictions."""
    classes, predicted = outputs.shape[1], outputs.argmax(1)
    counted = [
        torch.bincount(x, minlength=classes).double() for x in (y[predicted == y], y, predicted)
    ]
    return counted[0], counted[1], counted[2]
