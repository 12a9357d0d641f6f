"""The two pictures of the page about the chain table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from scripts.studies.chain_bench.landscape import TOP, Floats, Table, fidelity

INK = "#1f4e79"
FAINT = {"s": 3, "alpha": 0.35, "linewidths": 0, "color": INK}


def draw_scores(table: Table, path: Path) -> None:
    """Draw the histogram, one seed against another, the best networks, and the fidelities."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    last, mean = 100 * table.last, 100 * table.mean
    histogram, seeds, best, epochs = axes.flat
    histogram.hist(mean, bins=60, color=INK)
    _name(histogram, "validation accuracy, % (mean of seeds)", "networks")
    seeds.scatter(last[:, 0], last[:, 1], **FAINT)
    _name(seeds, "validation accuracy, %, seed 0", "seed 1")
    _draw_best(best, last[table.order[:TOP]])
    _draw_fidelity(epochs, table)
    _save(figure, path)


def _draw_best(axis: Any, last: Floats) -> None:
    """Draw the best networks' seeds around their means."""
    place = np.arange(1, len(last) + 1)
    axis.vlines(place, last.min(axis=1), last.max(axis=1), color=INK, alpha=0.3)
    axis.plot(place, last.mean(axis=1), color=INK)
    _name(axis, "place by mean of seeds", "validation accuracy, % (line: mean)")


def _draw_fidelity(axis: Any, table: Table) -> None:
    """Draw the rank correlations of scores after fewer epochs."""
    epochs = np.arange(1, table.curves.shape[2] + 1)
    for rows, label in (
        (table.order, "all networks"),
        (table.order[: len(table.order) // 10], "best tenth"),
    ):
        axis.plot(epochs, fidelity(table.curves, rows), marker="o", label=label)
    axis.set_ylim(0, 1)
    axis.legend()
    _name(axis, "epochs", "rank correlation with the last, other seeds")


def draw_landscape(table: Table, far: Floats, path: Path) -> None:
    """Draw score against distance to the best, and against parameters."""
    figure, (distances, params) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    mean = 100 * table.mean
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(far))  # avoids overlapping points
    distances.scatter(far + spread, mean, **FAINT)
    _name(distances, "decisions to the nearest best network", "validation accuracy, %")
    params.scatter(table.arrays["params"], mean, **FAINT)
    params.set_xscale("log")
    _name(params, "parameters", "validation accuracy, %")
    _save(figure, path)


def _name(axis: Any, x: str, y: str) -> None:
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
