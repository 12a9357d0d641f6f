"""Statistics of the chain table: seed noise, fidelity, landscape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from nas_env.spaces import SPACES, SearchSpace, Walk

MISSING = 65_535
TOP = 100
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """The arrays of the file, and quantities derived from them.

    Attributes:
        arrays: The arrays of `chain_bench.npz`.
    """

    arrays: dict[str, NDArray[Any]]

    @classmethod
    def read(cls, path: Path) -> Table:
        """Return the rows of a file that were trained with every seed."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        complete = np.isfinite(arrays["seconds"]).all(axis=1)
        whole = {name: arrays.pop(name) for name in ("sizes", "about")}
        return cls({name: array[complete] for name, array in arrays.items()} | whole)

    @cached_property
    def about(self) -> dict[str, Any]:
        """How it was made."""
        facts: dict[str, Any] = json.loads(str(self.arrays["about"]))
        return facts

    @cached_property
    def walks(self) -> list[Walk]:
        """The walk of each row."""
        return [tuple(int(x) for x in row if x >= 0) for row in self.arrays["walks"]]

    @cached_property
    def space(self) -> SearchSpace:
        """The space of the walks."""
        return SPACES.get(self.about["space"])()

    @cached_property
    def curves(self) -> Floats:
        """Validation accuracy (rows, seeds, epochs); 0 for epochs that were not reached."""
        return _shares(self.arrays["hits"], self.arrays["sizes"][0])

    @cached_property
    def tests(self) -> Floats:
        """Test accuracy (rows, seeds); 0 if training failed."""
        return _shares(self.arrays["test_hits"], self.arrays["sizes"][1])

    @cached_property
    def last(self) -> Floats:
        """Validation accuracy after the last epoch (rows, seeds)."""
        last: Floats = self.curves[:, :, -1]
        return last

    @cached_property
    def mean(self) -> Floats:
        """Mean of `last` over the seeds (rows,)."""
        mean: Floats = self.last.mean(axis=1)
        return mean

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Rows from the best mean to the worst."""
        return np.argsort(-self.mean, kind="stable")

    def layers(self, row: int) -> str:
        """Return the layers of a row in words."""
        labels = [option.label for option in self.space.options()]
        return ", ".join(_short(labels[decision]) for decision in self.walks[row][:-1])


def _shares(hits: NDArray[Any], size: int) -> Floats:
    return np.asarray(np.where(hits == MISSING, 0, hits) / size, dtype=np.float64)


def _short(label: str) -> str:
    for long, short in (("global average pool", "average"), ("max-pool 2x2, stride 2", "pool")):
        label = label.replace(long, short)
    return label.replace(", stride ", "/").replace(", ", " ")


def pooled_sd(values: Floats) -> float:
    """Return the pooled standard deviation between seeds of (rows, seeds)."""
    return float(np.sqrt(values.var(axis=1, ddof=1).mean()))


def rank_correlation(a: Floats, b: Floats) -> float:
    """Return Spearman's rank correlation."""
    return float(spearmanr(a, b).statistic)


def between_seeds(values: Floats) -> float:
    """Return the mean rank correlation of two seeds, over (rows, seeds)."""
    pairs = combinations(range(values.shape[1]), 2)
    return float(np.mean([rank_correlation(values[:, a], values[:, b]) for a, b in pairs]))


def between_seeds_at_the_top(values: Floats, top: int = TOP) -> float:
    """Return the mean rank correlation of two seeds among the best rows of the third one.

    The best rows are chosen by a separate seed, so the two compared seeds are unbiased.
    """
    correlations = []
    for chooser in range(values.shape[1]):
        rows = np.argsort(-values[:, chooser], kind="stable")[:top]
        others = np.delete(values[rows], chooser, axis=1)
        correlations.append(between_seeds(others))
    return float(np.mean(correlations))


def regret_of_one_seed(values: Floats) -> Floats:
    """Return, for each seed, the regret of its best row in the mean of the other seeds."""
    lacks = []
    for chooser in range(values.shape[1]):
        others = np.delete(values, chooser, axis=1).mean(axis=1)
        lacks.append(others.max() - others[values[:, chooser].argmax()])
    return np.array(lacks)


def fidelity(curves: Floats, rows: Sequence[int] | NDArray[np.intp]) -> list[float]:
    """Return each epoch's rank correlation with the last epoch's mean of the other seeds."""
    correlations = []
    for epoch in range(curves.shape[2]):
        one = []
        for seed in range(curves.shape[1]):
            others = np.delete(curves[rows, :, -1], seed, axis=1).mean(axis=1)
            one.append(rank_correlation(curves[rows, seed, epoch], others))
        correlations.append(float(np.mean(one)))
    return correlations


def distance(a: Walk, b: Walk) -> int:
    """Return the Levenshtein distance between two walks."""
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        now = [i]
        for j, y in enumerate(b, start=1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (x != y)))
        before = now
    return before[-1]


def neighbours(walk: Walk, rows: dict[Walk, int], num_decisions: int) -> list[int]:
    """Return the rows whose walk is at distance 1."""
    candidates = {walk[:i] + walk[i + 1 :] for i in range(len(walk))}
    for decision in range(num_decisions):
        candidates |= {(*walk[:i], decision, *walk[i + 1 :]) for i in range(len(walk))}
        candidates |= {(*walk[:i], decision, *walk[i:]) for i in range(len(walk) + 1)}
    candidates.discard(walk)
    return sorted(rows[other] for other in candidates if other in rows)


@dataclass(frozen=True)
class Landscape:
    """The landscape of scores under changes of single decisions.

    Attributes:
        neighbours: Mean number of neighbours.
        optima: Rows without a better neighbour.
        ends: Row in which steepest ascent from each row ends.
    """

    neighbours: float
    optima: NDArray[np.intp]
    ends: NDArray[np.intp]


def landscape(walks: Sequence[Walk], scores: Floats, num_decisions: int) -> Landscape:
    """Return the landscape of scores (rows,) under one-decision changes."""
    rows = {walk: row for row, walk in enumerate(walks)}
    around = [neighbours(walk, rows, num_decisions) for walk in walks]
    ends = np.arange(len(walks))
    for row, others in enumerate(around):
        best = max(others, key=lambda other: scores[other], default=row)
        ends[row] = best if scores[best] > scores[row] else row
    optima = np.flatnonzero(ends == np.arange(len(walks)))
    for _ in range(len(walks)):
        if np.array_equal(after := ends[ends], ends):
            break
        ends = after
    return Landscape(float(np.mean([len(x) for x in around])), optima, ends)
