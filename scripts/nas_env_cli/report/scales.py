"""Scales of axes: from values to positions, and the numbers of ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] to [start, end], linearly or by logarithm.

    Example:
        >>> Scale(0, 10, 100, 200)(5), Scale(1, 100, 0, 200, log=True)(10)
        (150.0, 100.0)
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        low, high, value = (self._up(x) for x in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / ((high - low) or 1.0)

    def _up(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round numbers within the range."""
        candidates = _log_ticks(self.low, self.high) if self.log else []
        return candidates if len(candidates) > 1 else _ticks(self.low, self.high, count)


def linear(values: Iterable[float], start: float, end: float, zero: bool = False) -> Scale:
    """Return a linear scale for values, with a margin; from 0 if `zero`."""
    points = list(values)
    low, high = (0.0 if zero else min(points)), max(points)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
    return Scale(low if zero else low - room, high + room, start, end)


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """Return a logarithmic scale for positive values, with a margin."""
    points = list(values)
    return Scale(min(points) / 1.15, max(points) * 1.15, start, end, log=True)


def _ticks(low: float, high: float, count: int) -> list[float]:
    if not high > low:
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / count))
    step *= next((x for x in (1, 2, 5) if (high - low) / (step * x) <= count), 10)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10))):
        ticks = [f * 10.0**power for power in powers for f in factors]
        ticks = [x for x in ticks if low <= x <= high]
        if len(ticks) >= 3:
            break
    return ticks[:: max(1, len(ticks) // 5)]


def numbers(values: Sequence[float]) -> list[str]:
    """Return numbers as texts for an axis, with enough digits to differ.

    Example:
        >>> numbers([20_000, 20_005]), numbers([0.25, 0.5])
        (['20k', '20.005k'], ['0.25', '0.5'])
    """
    for digits in (4, 6, 8):
        words = [short(value, digits) for value in values]
        if len(set(words)) == len(words):
            break
    return words


def short(value: float, digits: int = 4) -> str:
    """Return a number as text for an axis.

    Example:
        >>> short(20_000), short(1.5e6), short(0.25), short(0.30000000000000004), short(0)
        ('20k', '1.5M', '0.25', '0.3', '0')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.{digits}g}{letter}"
    return f"{value:.{digits}g}" if abs(value) > 1e-12 else "0"
