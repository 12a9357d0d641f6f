"""The picture of the README: the loop of an episode, beside curves of agents and random search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from nas_env_cli.benchmark.figures import curve_points
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.benchmark.statistics import middles

INK, FAINT, BORDER = "#1f2933", "#5f6b76", "#d0d7de"
LAYERS = {"conv": "#4878a8", "pool": "#e08e45", "linear": "#5a9e6f", "stop": "#8a94a0"}
WALK = ("conv 16", "pool", "conv 32", "linear 64", "stop")
STYLES = ("--", "-", "-", "-", "-")
COLOURS = ("#5f6b76", "#5a9e6f", "#e08e45", "#4878a8", "#b3365c")
BOX_WIDTH, BOX_BOTTOM, BOX_HEIGHT = 0.84, 0.95, 1.5


def draw_overview(runs: Runs, env: str, title: str, labels: Mapping[str, str]) -> Figure:
    """Return the picture.

    Args:
        runs: Committed runs.
        env: Label of the environment whose curves are drawn.
        title: Its name in words.
        labels: Agents of the curves, and their names in words.
    """
    figure = Figure(figsize=(11, 3.5), facecolor="white", edgecolor=BORDER, linewidth=2)
    _loop(figure.add_axes((0.015, 0.03, 0.55, 0.94)))
    _curves(figure.add_axes((0.635, 0.165, 0.345, 0.72)), runs, env, title, labels)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the picture as SVG; letters become paths, so it looks the same everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "readme", "svg.fonttype": "path"}):
        figure.savefig(path, metadata={"Date": None})


def _loop(axes: Any) -> None:
    """Draw decisions, network, training and reward as four boxes, and the way back."""
    axes.set(xlim=(0, 4), ylim=(0, 3))
    axes.axis("off")
    parts = (
        ("decisions", "one action each", _decisions),
        ("network", "built from the walk", _network),
        ("training", "or a table, a surrogate", _training),
        ("reward", "validation score", _reward),
    )
    for index, (title, caption, draw) in enumerate(parts):
        left = index + 0.08
        box = FancyBboxPatch(
            (left + 0.05, BOX_BOTTOM + 0.05),
            BOX_WIDTH - 0.1,
            BOX_HEIGHT - 0.1,
            boxstyle="round,pad=0.05",
            facecolor="#f6f8fa",
            edgecolor=BORDER,
        )
        axes.add_patch(box)
        middle = left + BOX_WIDTH / 2
        axes.text(middle, 2.68, title, ha="center", fontsize=12, weight="bold", color=INK)
        axes.text(middle, 0.72, caption, ha="center", fontsize=8, color=FAINT)
        draw(axes, left)
        if index:
            _arrow(axes, (left - 0.15, 1.7), (left + 0.01, 1.7))
    _arrow(axes, (3.5, 0.62), (0.5, 0.62), "arc3,rad=-0.07")
    words = "the agent learns from the reward and takes the next decisions"
    axes.text(2, 0.13, words, ha="center", fontsize=9, color=INK)


def _arrow(axes: Any, start: Any, end: Any, bend: str = "arc3,rad=0") -> None:
    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 11}
    style |= {"color": INK, "linewidth": 1.3}
    axes.add_patch(FancyArrowPatch(start, end, connectionstyle=bend, **style))


def _decisions(axes: Any, left: float) -> None:
    for row, label in enumerate(WALK):
        colour = LAYERS[label.split()[0]]
        y = BOX_BOTTOM + BOX_HEIGHT - 0.2 - 0.275 * row
        axes.text(
            left + 0.12, y, label, va="center", fontsize=9.5, color=colour, family="monospace"
        )


def _network(axes: Any, left: float) -> None:
    """Draw the layers of the walk as slabs; "stop" is no layer."""
    heights = (1.1, 0.8, 0.8, 0.45)
    for column, (label, height) in enumerate(zip(WALK, heights, strict=False)):
        x, y = left + 0.12 + 0.16 * column, BOX_BOTTOM + (BOX_HEIGHT - height) / 2
        slab = Rectangle((x, y), 0.11, height, facecolor=LAYERS[label.split()[0]])
        axes.add_patch(slab)


def _training(axes: Any, left: float) -> None:
    """Draw a falling loss and its axes."""
    x = np.linspace(0, 1, 30)
    bottom = BOX_BOTTOM + 0.25
    axes.plot(left + 0.15 + 0.55 * x, bottom + 0.08 + 0.9 * np.exp(-4 * x), color="#b3365c", lw=2)
    axes.plot([left + 0.13] * 2, [bottom, bottom + 1.1], color=FAINT, lw=1)
    axes.plot([left + 0.13, left + 0.74], [bottom] * 2, color=FAINT, lw=1)
    axes.text(left + 0.5, bottom + 0.75, "loss", ha="center", fontsize=9, color=FAINT)


def _reward(axes: Any, left: float) -> None:
    """Draw a bar between 0 and 1 that is nearly full."""
    x, bottom, height = left + 0.27, BOX_BOTTOM + 0.2, BOX_HEIGHT - 0.4
    axes.add_patch(Rectangle((x, bottom), 0.2, height, facecolor="white", edgecolor=FAINT))
    axes.add_patch(Rectangle((x, bottom), 0.2, 0.87 * height, facecolor="#5a9e6f"))
    for value in (0, 1):
        axes.text(x + 0.26, bottom + value * height, value, va="center", fontsize=9, color=FAINT)


def _curves(axes: Any, runs: Runs, env: str, title: str, labels: Mapping[str, str]) -> None:
    """Draw the interquartile mean of the regret against networks, with 95 % intervals."""
    points = [point for point in curve_points(runs.limit) if point >= 5]
    for (agent, label), colour, style in zip(labels.items(), COLOURS, STYLES, strict=True):
        regret = middles(100 * runs.curves(agent, env, "regret_report", points))[1]
        axes.plot(points, regret.value, style, color=colour, label=label, linewidth=1.6)
        axes.fill_between(points, regret.low, regret.high, color=colour, alpha=0.12, linewidth=0)
    axes.set_xscale("log")
    ticks = (5, 10, 30, 100, 300)
    axes.set_xticks(ticks, ticks)
    axes.set_xticks([], minor=True)
    axes.set_xlim(points[0], points[-1])
    axes.set_ylim(bottom=0)
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xlabel("networks evaluated", fontsize=9)
    axes.set_ylabel("test accuracy below the best, points", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
