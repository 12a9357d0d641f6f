"""Stratified splits of samples without given splits, with a fixed seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 20_170_424  # fixed: the sealed test split is the same for every search
SPLITS = ("train", "validation", "test")


def stratified_split(
    labels: NDArray[np.int64], shares: tuple[float, ...], seed: int = SPLIT_SEED
) -> list[NDArray[np.int64]]:
    """Return indices of parts with the given shares of every class.

    The samples of a class are shuffled and cut at the rounded cumulative shares, so each class's
    part differs from its exact share by less than one sample.

    Args:
        labels: (n,) class of each sample.
        shares: Share of each part; they sum to 1.
        seed: Seed of the split, not of the search.

    Returns:
        One ascending index array per part.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    cuts = np.cumsum(shares)[:-1]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        pieces = np.split(members, np.rint(cuts * len(members)).astype(int))
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)).astype(np.int64) for part in parts]


def bins(targets: NDArray[np.float64], most: int = 10) -> NDArray[np.int64]:
    """Return (n,) quantile bin of each target, so that regression splits are stratified too.

    There are at most `most` bins, each with about ten samples or more.
    """
    count = max(1, min(most, len(targets) // 10))
    edges = np.quantile(targets, np.linspace(0, 1, count + 1)[1:-1])
    return np.searchsorted(edges, targets, side="right").astype(np.int64)
