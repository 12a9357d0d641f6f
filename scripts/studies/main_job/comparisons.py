"""Paired differences of two searches over the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from nas_env_cli.spread import mean_sd


class Difference(NamedTuple):
    """How much higher one of two paired groups of numbers is.

    Attributes:
        mean: Mean difference.
        half: Half the width of its 95 % interval (Student's t); infinite for a single pair.
        wins: Pairs in which the first is higher.
        losses: Pairs in which it is lower.
        pairs: All pairs.
    """

    mean: float
    half: float
    wins: int
    losses: int
    pairs: int

    @classmethod
    def of(cls, one: Sequence[float], other: Sequence[float]) -> Difference:
        """Compare two groups of equal length, pair by pair."""
        gaps = np.subtract(one, other)
        count = len(gaps)
        half = np.inf
        if count > 1:
            half = student.ppf(0.975, count - 1) * gaps.std(ddof=1) / count**0.5
        wins, losses = int((gaps > 0).sum()), int((gaps < 0).sum())
        return cls(float(gaps.mean()), float(half), wins, losses, count)

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return abs(self.mean) > self.half

    def sentence(self, one: str, other: str) -> str:
        """Return the comparison as a sentence."""
        interval = "no interval from one seed"
        if self.pairs > 1:
            interval = f"95 % interval ± {self.half:.4f}"
        text = (
            f"{one} against {other} {self.mean:+.4f} ({interval}), higher in {self.wins} and lower "
            f"in {self.losses} of {self.pairs} seeds: "
        )
        better, worse = (one, other) if self.mean > 0 else (other, one)
        return f"{text}{f'{better} beats {worse}' if self.clear else 'no clear difference'}."


def plus_minus(values: Sequence[float], digits: int = 4) -> str:
    """Return "mean ± standard deviation" (n - 1)."""
    mean, sd = mean_sd(values)
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"
