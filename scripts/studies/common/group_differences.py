"""Means and differences of small groups of runs, as text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np

from nas_env_cli.spread import mean_sd

CLEAR = 0.05  # p-value below which a difference is reported


def with_sd(values: Sequence[float], digits: int = 2) -> str:
    """Return "mean ± standard deviation" (n - 1)."""
    mean, sd = mean_sd(values)
    return f"{mean:,.{digits}f} ± {sd:,.{digits}f}"


def difference(name: str, one: Sequence[float], other_name: str, other: Sequence[float]) -> str:
    """Return a sentence on the difference of two groups' means, in points."""
    gain, chance = float(np.mean(one) - np.mean(other)), permutation_chance(one, other)
    word = "a difference" if chance < CLEAR else "no difference that these runs can show"
    return f"{name} against {other_name}: {gain:+.2f} points (p = {chance:.3f}): {word}."


def permutation_chance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p value of the exact permutation test of the difference of means."""
    values, count = np.array([*one, *other]), len(one)
    total = values.sum()
    sums = np.array([values[list(x)].sum() for x in combinations(range(len(values)), count)])
    gaps = np.abs(sums / count - (total - sums) / (len(values) - count))
    return float(np.mean(gaps >= abs(np.mean(one) - np.mean(other)) - 1e-12))


def least_chance(count: int) -> float:
    """Return the lowest possible p-value of two groups of `count` runs."""
    return 2 / comb(2 * count, count)
