"""Pareto sets: non-dominated points and hypervolume.

All objectives are minimised; negate those that should be maximised. The hypervolume is exact and
supports at most three objectives. For more objectives, use pymoo.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas_env.errors import InvalidSettingError

Numbers = NDArray[np.float64]
MOST_OBJECTIVES = 3  # supported by `hypervolume`


def non_dominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Return an (n,) mask of the non-dominated points; of equal points, all are kept.

    A point dominates another if it is no worse in all objectives and better in at least one.

    Args:
        points: (n, objectives) finite numbers, lower is better.

    Raises:
        InvalidSettingError: Not a matrix, no objective, or a number is not finite.

    Example:
        >>> non_dominated([[1, 3], [2, 2], [2, 3], [3, 1]]).tolist()
        [True, True, False, True]
    """
    checked = _checked(points)
    unique, place = np.unique(checked, axis=0, return_inverse=True)  # in lexical order
    front = _swept_front(unique) if unique.shape[1] <= MOST_OBJECTIVES else _culled_front(unique)
    return front[place.ravel()]


def hypervolume(points: ArrayLike, reference: Sequence[float]) -> float:
    """Return the hypervolume of points with respect to a reference point.

    Only points that are better than the reference in every objective count; without any, the
    hypervolume is 0.

    Args:
        points: (n, objectives) finite numbers, lower is better; at most three objectives.
        reference: (objectives,) reference point, in the order of the points' objectives.

    Raises:
        InvalidSettingError: The reference has another length, there are more than three objectives,
            or a number is not finite.

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
            f"{checked.shape[1]} objectives. Use the order of the points."
        )
    if len(worst) > MOST_OBJECTIVES:
        raise InvalidSettingError(
            f"hypervolume supports at most {MOST_OBJECTIVES} objectives, but the points have "
            f"{len(worst)}. Leave some out, or use pymoo.indicators.hv.HV."
        )
    better = checked[(checked < worst).all(axis=1)]
    gains = np.zeros((len(better), MOST_OBJECTIVES))
    gains[:, : len(worst)] = better - worst  # with the reference as the origin, all are negative
    gains[:, len(worst) :] = -1.0
    return _swept(gains)


def _swept_front(ordered: Numbers) -> NDArray[np.bool_]:
    """Return an (n,) mask of the front of distinct, sorted points with at most three objectives."""
    padded = np.zeros((len(ordered), MOST_OBJECTIVES))
    padded[:, : ordered.shape[1]] = ordered
    stairs, front = Stairs(), np.zeros(len(ordered), dtype=np.bool_)
    for row, (_, x, y) in enumerate(padded.tolist()):  # only earlier points can dominate it
        front[row] = not stairs.cover(x, y)
        stairs.add(x, y)
    return front


def _culled_front(ordered: Numbers) -> NDArray[np.bool_]:
    """Return an (n,) mask of the front of distinct, sorted points; compares each with the front."""
    front = np.zeros(len(ordered), dtype=np.bool_)
    for row, point in enumerate(ordered):
        front[row] = not (ordered[:row][front[:row]] <= point).all(axis=1).any()
    return front


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
    """The non-dominated points of a plane, updated as points are added.

    Attributes:
        area: Area between the points and the origin; valid only if all coordinates are negative.
    """

    def __init__(self) -> None:
        self.area = 0.0
        self._x: list[float] = []  # ascending
        self._y: list[float] = []  # descending

    def cover(self, x: float, y: float) -> bool:
        """Return whether one of the points is no larger than (x, y) in both coordinates."""
        after = bisect_right(self._x, x)
        return after > 0 and self._y[after - 1] <= y

    def add(self, x: float, y: float) -> None:
        """Add a point and remove those it covers; a covered point has no effect."""
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
    matrix = np.asarray(points, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.shape[1] or not np.isfinite(matrix).all():
        raise InvalidSettingError(
            f"points must be a matrix (points, objectives) of finite numbers, got shape "
            f"{matrix.shape}{' with NaN or inf' if matrix.ndim == 2 and matrix.shape[1] else ''}. "
            "Leave out points without a value."
        )
    return matrix
