"""Curves of the missing hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from nas_env_cli.benchmark.figures import save_svg
from scripts.studies.pareto.problem import Numbers

PANELS = {"searched": "what is searched", "reported": "what is reported"}
REPEATS = 2000
LEAST = 0.01  # percent; lower values are drawn there


def interval(values: Numbers, repeats: int = REPEATS) -> Numbers:
    """Return (2, ...) ends of the 95 % bootstrap interval of the mean of (runs, ...) values."""
    return ends(means(values, repeats))


def difference(ours: Numbers, theirs: Numbers, repeats: int = REPEATS) -> Numbers:
    """Return (2,) ends of the interval of the difference of two means, ours minus theirs.

    Args:
        ours: (runs,) values.
        theirs: (runs,) values of other seeds or methods.
        repeats: Bootstrap samples.
    """
    return ends(means(ours, repeats, 0) - means(theirs, repeats, 1))


def means(values: Numbers, repeats: int = REPEATS, seed: int = 0) -> Numbers:
    """Return (repeats, ...) means of (runs, ...) values, runs drawn with replacement."""
    draws = np.random.default_rng(seed).integers(len(values), size=(repeats, len(values)))
    return np.asarray(values[draws].mean(axis=1))


def ends(drawn: Numbers) -> Numbers:
    """Return (2, ...) the middle 95 % of (repeats, ...) numbers."""
    return np.asarray(np.percentile(drawn, (2.5, 97.5), axis=0))


def draw_curves(
    curves: Mapping[str, Mapping[str, Numbers]], points: Sequence[int], title: str, path: Path
) -> None:
    """Draw the missing hypervolume, in percent, against the networks.

    Args:
        curves: "searched" and "reported" to method to (runs, points) shares.
        points: Networks.
        title: Title of the whole.
        path: The SVG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, (name, words) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for index, (method, values) in enumerate(curves[name].items()):
            _line(axes, points, 100 * (1 - values), index, method)
        axes.set_title(f"{title}: {words}", fontsize=10)
        axes.set_xlabel("networks")
        axes.set_ylabel("hypervolume that is missed, %")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(alpha=0.3, which="both")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    save_svg(figure, path)


def _line(axes: Any, points: Sequence[int], missed: Numbers, index: int, method: str) -> None:
    colour = matplotlib.colormaps["tab10"](index % 10)
    low, high = np.maximum(interval(missed), LEAST)
    axes.plot(points, np.maximum(missed.mean(axis=0), LEAST), color=colour, label=method)
    axes.fill_between(points, low, high, color=colour, alpha=0.15, linewidth=0)
