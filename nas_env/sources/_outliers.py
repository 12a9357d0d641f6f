"""Values of a column that are far from all others, such as typing errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FAR = 100  # interquartile ranges from the median, beyond which a value is far from the others
MIN_VALUES = 10  # fewer training values have no reliable quartiles
QUARTILES = (25, 50, 75)


class Usual(NamedTuple):
    """The usual values of a column, learned from the training rows.

    Attributes:
        low: The lowest value that is not far from the others.
        high: The highest value that is not far from the others.
        lower: Values below this are far from the others.
        upper: Values above this are far from the others.
        clip: Whether a training value is far from the others.
    """

    low: float
    high: float
    lower: float
    upper: float
    clip: bool

    def far(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the rows of the values that are far from the others."""
        return np.flatnonzero((values < self.lower) | (values > self.upper))


def usual(values: NDArray[np.float64]) -> Usual | None:
    """Return the usual values of a column, or None if there are too few different ones.

    A value is far from the others if it is more than `FAR` interquartile ranges from the median. If
    at least half of the values are equal, so that the range may be 0, the range of the other values
    counts, or else their distance from the equal ones.

    Args:
        values: (n,) training values; NaN is missing.
    """
    present = values[~np.isnan(values)]
    if len(present) < MIN_VALUES:
        return None
    first, median, third = np.percentile(present, QUARTILES)
    spread, middle = third - first, median
    if spread == 0:
        others = present[present != median]
        if not len(others):
            return None
        first, middle, third = np.percentile(others, QUARTILES)
        spread = third - first or abs(middle - median)
    lower, upper = (
        float(min(median, middle) - FAR * spread),
        float(max(median, middle) + FAR * spread),
    )
    near = present[(present >= lower) & (present <= upper)]
    low, high = float(near.min()), float(near.max())
    return Usual(low, high, lower, upper, len(near) < len(present))


def far_note(
    name: str, values: NDArray[np.float64], range_: Usual | None, target: bool = False
) -> str:
    """Return a note on the values of a column that are far from the others; empty if none is."""
    if range_ is None:
        return ""
    rows = range_.far(values)
    if not len(rows):
        return ""
    worst = rows[np.abs(values[rows]).argmax()]
    many = "1 value is" if len(rows) == 1 else f"{len(rows):,} values are"
    what = (
        f"Column {name!r}: {many} more than {FAR} interquartile ranges from the median, such as "
        f"{values[worst]:.6g} in row {worst + 1}."
    )
    if target:
        return f"{what} It is used as it is; correct it if it is wrong."
    if not range_.clip:
        return f"{what} No training row has such a value, so it is used as it is."
    return (
        f"{what} Numbers of this column are clipped to {range_.low:.6g} to {range_.high:.6g}, the "
        "range of the other training values."
    )
