"""Mean and spread over training seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1); the latter is 0 for a single value."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.mean(values)), sd


def pooled_sd(groups: Sequence[Sequence[float]]) -> float:
    """Return the pooled standard deviation of equally large groups, such as seeds of networks."""
    return float(np.sqrt(np.mean([mean_sd(group)[1] ** 2 for group in groups])))
