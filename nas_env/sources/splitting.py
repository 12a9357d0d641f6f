"""Stratified splits of samples without given splits, with a fixed seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 20_170_424  # fixed: the sealed test split is the same for every search
SPLITS = ("train", "validation", "test")


def stratified_split(
    labels: NDArray[np.int64],
    shares: tuple[float, ...],
    seed: int = SPLIT_SEED,
    totals: bool = False,
) -> list[NDArray[np.int64]]:
    """Return indices of parts with the given shares of every class.

    The samples of a class are shuffled and cut at the rounded cumulative shares, so each class's
    part differs from its exact share by less than one sample. With many small classes, the rounding
    errors of a part may add up.

    Args:
        labels: (n,) class of each sample.
        shares: Share of each part; they sum to 1.
        seed: Seed of the split, not of the search.
        totals: Whether the parts have their shares of all samples too: samples are moved between
            parts in the classes where rounding went farthest.

    Returns:
        One ascending index array per part.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    classes, sizes = np.unique(labels, return_counts=True)
    cuts = np.cumsum(shares)[:-1]
    ends = np.rint(cuts * sizes[:, None]).astype(int)  # (classes, parts - 1)
    if totals:
        counts = np.diff(ends, axis=1, prepend=0, append=sizes[:, None])
        ends = np.cumsum(_with_totals(counts, sizes, shares), axis=1)[:, :-1]
    for label, end in zip(classes, ends, strict=True):
        members = rng.permutation(np.flatnonzero(labels == label))
        for part, piece in zip(parts, np.split(members, end), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)).astype(np.int64) for part in parts]


def announced(total: int, shares: tuple[float, ...]) -> NDArray[np.int64]:
    """Return the number of samples in each part of a split.

    Example:
        >>> announced(120, (0.6, 0.2, 0.2)).tolist()
        [72, 24, 24]
    """
    ends = np.rint(np.cumsum(shares)[:-1] * total).astype(np.int64)
    counts: NDArray[np.int64] = np.diff(ends, prepend=0, append=total)
    return counts


def _with_totals(
    counts: NDArray[np.int64], sizes: NDArray[np.int64], shares: tuple[float, ...]
) -> NDArray[np.int64]:
    """Return (classes, parts) counts whose sums over classes are the announced ones.

    A sample is moved where this brings the counts nearest to their exact shares.
    """
    counts = counts.copy()
    wanted = announced(int(sizes.sum()), shares)
    errors = counts - sizes[:, None] * np.array(shares)
    while (surplus := counts.sum(axis=0) - wanted).any():
        giving, taking = int(surplus.argmax()), int(surplus.argmin())
        gains = errors[:, giving] - errors[:, taking]
        place = int(np.where(counts[:, giving] > 0, gains, -np.inf).argmax())
        for part, change in ((giving, -1), (taking, 1)):
            counts[place, part] += change
            errors[place, part] += change
    return counts


def bins(targets: NDArray[np.float64], most: int = 10) -> NDArray[np.int64]:
    """Return (n,) quantile bin of each target, so that regression splits are stratified too.

    There are at most `most` bins, each with about ten samples or more.
    """
    count = max(1, min(most, len(targets) // 10))
    edges = np.quantile(targets, np.linspace(0, 1, count + 1)[1:-1])
    return np.searchsorted(edges, targets, side="right").astype(np.int64)
