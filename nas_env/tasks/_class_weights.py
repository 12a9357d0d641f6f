"""Weights of classes in the training loss, so that rare classes count as much as frequent ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_RATIO = 1000.0  # a sample counts for at most this many samples of the largest class


def balanced_weights(counts: Sequence[int] | NDArray[np.int64]) -> tuple[float, ...]:
    """Return one weight per class, inversely proportional to its number of training samples.

    They are n / (classes * count), as those of scikit-learn's `class_weight="balanced"`, if the
    largest class has at most `MAX_RATIO` times the samples of the smallest. A class that is even
    rarer gets the weight of a class of that size: a few samples with very large weights would
    otherwise determine the updates of the batches that they are in. The mean weight of a training
    sample is 1, so the learning rate need not change. A class without samples has weight 0.

    Reference: King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001.

    Args:
        counts: (classes,) training samples of each class.

    Example:
        >>> balanced_weights([90, 10])
        (0.5555555555555556, 5.0)
    """
    numbers = np.asarray(counts, dtype=np.float64)
    occurs = numbers > 0
    weights = np.where(occurs, 1 / np.maximum(numbers, numbers.max() / MAX_RATIO), 0.0)
    weights *= numbers.sum() / (weights * numbers).sum()
    return tuple(weights.tolist())


def weights_in_words(weights: Sequence[float], classes: Sequence[str]) -> str:
    """Return the smallest and the largest weight with the names of their classes.

    Classes without samples are left out.
    """
    named = sorted((weight, number) for number, weight in enumerate(weights) if weight > 0)
    (least, frequent), (most, rare) = named[0], named[-1]
    return f"from {least:.3g} ({classes[frequent]}) to {most:.3g} ({classes[rare]})"
