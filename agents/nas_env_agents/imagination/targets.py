"""Transformations of scores to targets with mean 0 and standard deviation 1."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
NORMAL = NormalDist()


def rank_normal(scores: Numbers) -> Numbers:
    """Return the standardised normal scores of the ranks, free of scale and outliers.

    The i-th lowest of n becomes the (i - 0.5) / n quantile of the normal distribution; equal scores
    share their mean rank. All 0 if all scores are equal.

    Args:
        scores: (n,) scores, higher is better.

    Example:
        >>> rank_normal(np.array([0.1, 0.9, 0.5])).round(2)
        array([-1.22,  1.22,  0.  ])
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    quantiles = (np.cumsum(counts) - counts / 2) / len(scores)
    return standardised(np.array([NORMAL.inv_cdf(x) for x in quantiles.tolist()])[inverse])


def standardised(values: Numbers) -> Numbers:
    """Return the values with mean 0 and standard deviation 1; all 0 if they are equal."""
    centred = values - values.mean()
    spread = centred.std()
    if spread <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return np.zeros_like(centred)
    return np.asarray(centred / spread)


TARGETS: dict[str, Callable[[Numbers], Numbers]] = {"rank": rank_normal, "score": standardised}
