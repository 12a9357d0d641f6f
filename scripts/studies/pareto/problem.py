"""The problem: accuracy and latency of the cells of NAS-Bench-201, and the hypervolume of sets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from nas_env.evaluators.tabular import Tabular
from nas_env.pareto import hypervolume, non_dominated
from nas_env.tables import TABLES, Table, TableTask

DATASET = "cifar10"
DEVICES = ("edgegpu", "raspi4")
WORST_ACCURACY = 0.1  # of guessing among ten classes
Numbers = NDArray[np.float64]


class Problem:
    """Two objectives of each cell on one device: the error, and the latency.

    The searched error is that of the validation split after 12 epochs, the reported error that of
    the test split after 200. Latencies are shares of the highest latency of the table.

    Args:
        device: A device of HW-NAS-Bench.

    Attributes:
        latency_ms: (cells,) the latency.
        searched: (cells, 2) validation error and share of the highest latency.
        reported: (cells, 2) test error and share of the highest latency.
    """

    def __init__(self, device: str) -> None:
        table = _table()
        self.device = device
        self.latency_ms: Numbers = table.hardware[device][f"{device}_latency_ms"]
        share = self.latency_ms / self.greatest_ms
        errors = [1 - table.column(name) for name in (table.rewards[table.fidelity], table.report)]
        self.searched, self.reported = (np.stack([x, share], axis=1) for x in errors)
        self._most = tuple(_volume(points) for points in (self.searched, self.reported))

    @property
    def greatest_ms(self) -> float:
        """The highest latency of a cell, which is that of the reference point."""
        return float(self.latency_ms.max())

    def rows(self, walks: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
        """Return (n,) the cells of complete walks."""
        return _lookup().rows(np.array(walks, np.int64).reshape(len(walks), -1) + 1)

    def front(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the cells that no other given cell dominates in the searched objectives."""
        return rows[non_dominated(self.searched[rows])]

    def volumes(self, rows: NDArray[np.int64]) -> tuple[float, float]:
        """Return the hypervolumes of evaluated cells, shares of those of all cells.

        Args:
            rows: (n,) the cells.

        Returns:
            The hypervolume of the searched objectives, and that of the reported objectives for the
            cells that are not dominated in the searched ones.
        """
        searched, reported = self._most
        front = self.front(rows)
        return _volume(self.searched[front]) / searched, _volume(self.reported[front]) / reported


def _volume(points: Numbers) -> float:
    return hypervolume(points, (1 - WORST_ACCURACY, 1.0))


@cache
def problem(device: str) -> Problem:
    """Return the problem of a device; it is cached."""
    return Problem(device)


@cache
def _table() -> Table:
    return TABLES.get("nasbench201")(dataset=DATASET)


@cache
def _lookup() -> Tabular:
    return Tabular(TableTask(_table()))
