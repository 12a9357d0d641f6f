"""Anytime curves and performance profiles as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_env_cli.benchmark.runs import Numbers, Runs
from nas_env_cli.benchmark.statistics import REPEATS, Interval, middles, profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 40  # of a curve
STYLES = ("-", "--", "-.", ":")
LEAST = 0.01  # points of regret below which the axis is linear
AXES = {
    "regret_report": ("regret of the report", "points"),
    "regret_reward": ("regret of the reward", "points"),
    "score": ("score", "%"),
}


def curve_points(limit: int) -> list[int]:
    """Return the numbers of queries at which curves have points, geometrically spaced."""
    return sorted({round(x) for x in np.geomspace(1, limit, POINTS)})


def drawn_quantities(runs: Runs, env: str) -> list[str]:
    """Return the quantities that have curves: the regrets of the environment, or else its score."""
    regrets = [name for name in ("regret_report", "regret_reward") if runs.known(env, name)]
    return regrets or ["score"]


def draw_curves(runs: Runs, env: str, repeats: int = REPEATS) -> Figure:
    """Draw the median and interquartile mean of the best value so far against queries."""
    from matplotlib.figure import Figure

    names = drawn_quantities(runs, env)
    figure = Figure(figsize=(11, 3.6 * len(names)), layout="constrained")
    grid: Any = figure.subplots(len(names), 2, squeeze=False, sharex=True)
    points, fractions = curve_points(runs.limit), runs.fractions(env)
    for row, name in zip(grid, names, strict=True):
        for index, agent in enumerate(runs.agents):
            if runs.of(agent, env):
                values = (100 if fractions else 1) * runs.curves(agent, env, name, points)
                for axes, interval in zip(row, middles(values, repeats), strict=True):
                    _line(axes, points, interval, index, agent)
        for axes, title in zip(row, ("median", "IQM"), strict=True):
            _label(axes, f"{title}, {env}", _axis(name, fractions), name != "score")
    for axes in grid[-1]:
        axes.set_xlabel("unique networks")
        axes.set_xscale("log")
    _legend(figure, grid[0][0])
    return figure


def _axis(name: str, fractions: bool) -> str:
    words, unit = AXES[name]
    return f"{words}, {unit}" if fractions else words


def draw_profiles(runs: Runs, repeats: int = REPEATS) -> Figure | None:
    """Draw performance profiles: the share of runs with at most a given final report regret.

    There is one panel for each environment that has regrets. A last panel combines them if they
    are all measured in points and an agent was run on all of them. Returns None if no environment
    has regrets.
    """
    from matplotlib.figure import Figure

    envs = [env for env in runs.envs if runs.known(env, "regret_report")]
    if not envs:
        return None
    everywhere = any(all(runs.of(agent, env) for env in envs) for agent in runs.agents)
    everywhere = everywhere and all(runs.fractions(env) for env in envs)
    panels = [*([env] for env in envs), *([envs] if len(envs) > 1 and everywhere else [])]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        _profiles(axes, runs, panel, repeats)
    for axes in grid[len(panels) :]:
        axes.axis("off")
    _legend(figure, grid[0])
    return figure


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure as a reproducible SVG file."""
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "benchmark", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def _profiles(axes: Any, runs: Runs, envs: Sequence[str], repeats: int) -> None:
    fractions = all(runs.fractions(env) for env in envs)
    finals = {
        agent: [
            (100 if fractions else 1) * runs.values(agent, env, "regret_report") for env in envs
        ]
        for agent in runs.agents
        if all(runs.of(agent, env) for env in envs)
    }
    far = max(float(np.nanquantile(x, 0.9)) for regrets in finals.values() for x in regrets)
    levels: Numbers = np.linspace(0, max(far, LEAST), 50)
    for index, agent in enumerate(runs.agents):
        if agent in finals:
            _line(axes, levels, profile(finals[agent], levels, repeats), index, agent)
    _label(axes, envs[0] if len(envs) == 1 else "all", "share of runs", False)
    axes.set_xlabel(f"regret of the report at most{', points' if fractions else ''}")


def _line(axes: Any, x: Any, interval: Interval, index: int, agent: str) -> None:
    import matplotlib

    colour = matplotlib.colormaps["tab10"](index % 10)
    style = STYLES[(index // 10) % len(STYLES)]
    axes.plot(x, interval.value, style, color=colour, label=agent, linewidth=1.3)
    axes.fill_between(x, interval.low, interval.high, color=colour, alpha=0.12, linewidth=0)


def _label(axes: Any, title: str, quantity: str, regret: bool) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_ylabel(quantity)
    axes.grid(alpha=0.3)
    if regret:
        lowest = min(line.get_ydata().min() for line in axes.get_lines())
        if lowest >= 10 * LEAST:
            axes.set_yscale("log", nonpositive="clip")
        else:
            axes.set_yscale("symlog", linthresh=LEAST)
            axes.set_ylim(bottom=0)


def _legend(figure: Any, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
