"""Ratios of queries between agents, and the agents that differ."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nas_env_cli.benchmark.runs import Runs

Numbers = NDArray[np.float64]


def capped(queries: Iterable[int | None], cap: int) -> Numbers:
    """Return queries; the cap if the optimum was not found."""
    return np.array([cap if x is None else x for x in queries], dtype=float)


def told_apart(runs: Runs, env: str) -> str:
    """Return the agents that need more or fewer queries than the default `imagination`."""
    ratios = {agent: ratio(runs, agent, env) for agent in runs.agents}
    more = [f"`{agent}`" for agent, (_, _, low, _) in ratios.items() if low > 1]
    fewer = [f"`{agent}`" for agent, (*_, high) in ratios.items() if high < 1]
    return (
        f"- {env}, intervals without 1: more queries with {', '.join(more) or 'none'}; fewer with "
        f"{', '.join(fewer) or 'none'}."
    )


def ratio_cell(runs: Runs, agent: str, env: str, to: str = "imagination") -> str:
    """Return the ratio of queries to those of another agent, with its 95 % interval."""
    sign, value, low, high = ratio(runs, agent, env, to)
    return f"{sign}{value:.2f} [{low:.2f}, {high:.2f}]"


def ratio(
    runs: Runs, agent: str, env: str, to: str = "imagination"
) -> tuple[str, float, float, float]:
    """Return sign, value and 95 % bootstrap interval of the ratio of means to another agent's.

    Runs are paired by seed. "≥" or "≤": runs of one side count as the cap; "~": runs of both.
    """
    sides = []
    for name in (agent, to):
        seeds = [run.seed for run in runs.of(name, env)]
        sides.append(dict(zip(seeds, runs.to_optimum(name, env), strict=True)))
    compared, usual = sides
    seeds = [seed for seed in compared if seed in usual]
    short, usually_short = (None in [side[seed] for seed in seeds] for side in sides)
    sign = "~ " if short and usually_short else "≥ " if short else "≤ " if usually_short else ""
    above, below = (capped([side[seed] for seed in seeds], runs.limit) for side in sides)
    rows = np.random.default_rng(0).integers(len(seeds), size=(2000, len(seeds)))
    low, high = np.percentile(above[rows].mean(axis=1) / below[rows].mean(axis=1), (2.5, 97.5))
    return sign, float(above.mean() / below.mean()), float(low), float(high)
