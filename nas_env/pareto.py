"""Pareto sets: which points no other is better than, and the volume that they dominate.

Less is better in every objective here; turn the sign of what is to be large. Exact for two and
three objectives, which is what networks are compared by. More objectives, and a library of
algorithms: pymoo.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas_env.errors import InvalidSettingError

Numbers = NDArray[np.float64]
MOST_OBJECTIVES = 3  # of a hypervolume


def non_dominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Return (n,) which points no other dominates; equal points are all kept.

    One dominates another where it is nowhere worse and somewhere better.

    Args:
        points: (n, objectives) finite numbers, less is better.

    Raises:
        InvalidSettingError: No matrix, no objective, or a number is not finite.

    Example:
        >>> non_dominated([[1, 3], [2, 2], [2, 3], [3, 1]]).tolist()
        [True, True, False, True]
    """
    checked = _checked(points)
    unique, place = np.unique(checked, axis=0, return_inverse=True)  # in lexical order
    kept = _swept_front(unique) if unique.shape[1] <= MOST_OBJECTIVES else _culled_front(unique)
    return kept[place.ravel()]


def hypervolume(points: ArrayLike, reference: Sequence[float]) -> float:
    """Return the volume between the points and a reference point; 0 where none is better than it.

    A point counts where it is better than the reference in every objective.

    Args:
        points: (n, objectives) finite numbers, less is better; at most three objectives.
        reference: (objectives,) the worst that still counts, in the points' order.

    Raises:
        InvalidSettingError: The reference does not fit, there are more objectives, or a number is
            not finite.

    References: Fonseca, Paquete and Lopez-Ibanez, "An Improved Dimension-Sweep Algorithm for the
        Hypervolume Indicator", CEC 2006; Beume et al., "On the Complexity of Computing the
        Hypervolume Indicator", IEEE Transactions on Evolutionary Computation 13(5), 2009: the
        sweep over the third objective with an ordered front of the other two.

    Example:
        >>> hypervolume([[1, 3], [2, 2], [3, 1]], reference=[4, 4])
        6.0
    """
    checked = _checked(points)
    worst = np.asarray(reference, dtype=np.float64)
    if worst.shape != checked.shape[1:] or not np.isfinite(worst).all():
        raise InvalidSettingError(
            f"Reference {reference!r} must be one finite number for each of the "
            f"{checked.shape[1]} objectives. Give them in the order of the points."
        )
    if len(worst) > MOST_OBJECTIVES:
        raise InvalidSettingError(
            f"A hypervolume is taken of at most {MOST_OBJECTIVES} objectives here, but the points "
            f"have {len(worst)}. Leave some out, or use pymoo.indicators.hv.HV."
        )
    better = checked[(checked < worst).all(axis=1)]
    gains = np.zeros((len(better), MOST_OBJECTIVES))
    gains[:, : len(worst)] = better - worst  # the reference is the origin; all are negative
    gains[:, len(worst) :] = -1.0
    return _swept(gains)


def _swept_front(ordered: Numbers) -> NDArray[np.bool_]:
    """Return (n,) the front of different points in lexical order, at most three objectives."""
    padded = np.zeros((len(ordered), MOST_OBJECTIVES))
    padded[:, : ordered.shape[1]] = ordered
    stairs, kept = Stairs(), np.zeros(len(ordered), dtype=np.bool_)
    for row, (_, x, y) in enumerate(padded.tolist()):  # only what comes before can dominate it
        kept[row] = not stairs.cover(x, y)
        stairs.add(x, y)
    return kept


def _culled_front(ordered: Numbers) -> NDArray[np.bool_]:
    """Return (n,) the front of different points in lexical order, each compared with the front."""
    kept = np.zeros(len(ordered), dtype=np.bool_)
    for row, point in enumerate(ordered):
        kept[row] = not (ordered[:row][kept[:row]] <= point).all(axis=1).any()
    return kept


def _swept(points: Numbers) -> float:
    """Return the volume between (n, 3) negative points and the origin."""
    ordered = points[np.argsort(points[:, 2], kind="stable")]
    stairs, volume = Stairs(), 0.0
    depths = np.append(ordered[:, 2], 0.0)
    for (x, y, depth), following in zip(ordered.tolist(), depths[1:].tolist(), strict=True):
        stairs.add(x, y)
        volume += stairs.area * (following - depth)
    return float(volume)


class Stairs:
    """Points of a plane that no other of them covers, while points are added.

    Attributes:
        area: Area between them and the origin; means something where all are negative.
    """

    def __init__(self) -> None:
        self.area = 0.0
        self._x: list[float] = []  # ascending
        self._y: list[float] = []  # descending

    def cover(self, x: float, y: float) -> bool:
        """Return whether one of the points is as small as (x, y) in both."""
        after = bisect_right(self._x, x)
        return after > 0 and self._y[after - 1] <= y

    def add(self, x: float, y: float) -> None:
        """Add a point, and drop those that it covers; one that is covered changes nothing."""
        if self.cover(x, y):
            return
        first = last = bisect_left(self._x, x)
        left, height = x, self._y[first - 1] if first else 0.0
        while last < len(self._x) and self._y[last] >= y:
            self.area += (self._x[last] - left) * (height - y)
            left, height = self._x[last], self._y[last]
            last += 1
        right = self._x[last] if last < len(self._x) else 0.0
        self.area += (right - left) * (height - y)
        self._x[first:last] = [x]
        self._y[first:last] = [y]


def _checked(points: ArrayLike) -> Numbers:
    found = np.asarray(points, dtype=np.float64)
    if found.ndim != 2 or not found.shape[1] or not np.isfinite(found).all():
        raise InvalidSettingError(
            f"Points must be a matrix (points, objectives) of finite numbers, but are of shape "
            f"{found.shape}{' with others' if found.ndim == 2 and found.shape[1] else ''}. Leave "
            "out what has no value."
        )
    return found
