"""The pictures of docs/scaling.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from scripts.studies.scaling.simulation import Cell, Curve, Numbers, at_time

STYLES = {"random": ":", "batches": "--", "asynchronous": "-"}
POINTS = 80
SHOWN = 2.5  # percent below the best; the first few results are worse


def draw_efficiency(
    shares: dict[str, dict[str, list[Cell]]], workers: Sequence[int], path: Path
) -> None:
    """Draw the busy share against the number of workers, one panel for each length of training."""
    figure, axes = plt.subplots(
        1, len(shares), figsize=(10, 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (scale, by_mode) in zip(axes[0], shares.items(), strict=True):
        for name, cells in by_mode.items():
            axis.plot(workers, [100 * cell.busy for cell in cells], marker="o", label=name)
        axis.set(xscale="log", xlabel="workers", title=f"mean training {scale}", ylim=(0, 101))
        axis.title.set_fontsize(8)
    axes[0, 0].set_ylabel("time spent on training, %")
    lines, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncol=3, fontsize=8)
    _save(figure, path)


def draw_quality(runs: dict[tuple[str, int], list[Curve]], report: Numbers, path: Path) -> None:
    """Draw the mean report of the best network against simulated time."""
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    colours = {n: f"C{i}" for i, n in enumerate(dict.fromkeys(workers for _, workers in runs))}
    for (name, workers), seed_runs in runs.items():
        first = max(times[0] for times, _ in seed_runs if len(times))
        last = min(times[-1] for times, _ in seed_runs if len(times))
        moments = np.geomspace(first, last, POINTS)
        means = [float(np.mean(at_time(seed_runs, x, report))) for x in moments]
        style = STYLES["random" if name.startswith("random") else name.split(", ")[1]]
        label = f"{name}, {workers:,}"
        axis.plot(moments / 60, means, style, color=colours[workers], label=label, linewidth=1)
    best = 100 * float(report.max())
    axis.set(xscale="log", xlabel="simulated minutes", ylabel="test accuracy, %")
    axis.set_ylim(best - SHOWN, best + 0.1)
    axis.legend(fontsize=6, ncol=2)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    """Write a picture that is the same for the same numbers."""
    plt.rcParams["svg.hashsalt"] = path.name
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
