"""Several agents on the table of all networks that the main job can find."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_env_cli.benchmark.figures import save_svg
from nas_env_cli.benchmark.results import read_results
from nas_env_cli.benchmark.runs import Runs
from scripts.studies.main_job.comparisons import Difference, plus_minus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BASELINE = "random"
FIGURE = "progress.svg"


def section(results: Path, output: Path) -> str:
    """Return the table of the agents, draw their curves, and compare every pair.

    Args:
        results: What `nas-env benchmark` wrote.
        output: The page; the figure goes into the folder of its name.
    """
    table, settings = read_results(results)
    runs = Runs(table, settings["limit"])
    save_svg(draw(runs), output.with_suffix("") / FIGURE)
    env = runs.envs[0]
    seeds = [run.seed for run in runs.of(BASELINE, env)]
    lines = [
        "```bash",
        *dict.fromkeys(entry["command"] for entry in settings["commands"]),
        "```",
        "",
        f"{len(seeds)} searches of each agent (seeds {min(seeds)} to {max(seeds)}), {runs.limit} "
        "networks each:",
        "",
        "| agent | best score found (validation) | test accuracy, % "
        "| below the best network, points | higher than random on test |",
        "| --- | --- | --- | ---: | ---: |",
        *(_row(runs, env, agent) for agent in runs.agents),
        "",
        f"![Best score so far]({output.stem}/{FIGURE})",
        "",
        "Test accuracy, pair by pair (95 % intervals of the mean difference, not corrected for the "
        "number of pairs):",
        "",
        *_pairs(runs, env),
    ]
    return "\n".join(lines)


def _row(runs: Runs, env: str, agent: str) -> str:
    report, random = (runs.values(x, env, "report") for x in (agent, BASELINE))
    regret = 100 * runs.values(agent, env, "regret_report").mean()
    share = "-" if agent == BASELINE else f"{100 * (report > random).mean():.0f} %"
    score = plus_minus(runs.values(agent, env, "score").tolist())
    return (
        f"| {agent} | {score} | {plus_minus((100 * report).tolist(), 2)} | {regret:.2f} | {share} |"
    )


def _pairs(runs: Runs, env: str) -> list[str]:
    lines = []
    order = sorted(runs.agents, key=lambda agent: -runs.values(agent, env, "report").mean())
    for one, other in combinations(order, 2):
        difference = Difference.of(
            *((100 * runs.values(x, env, "report")).tolist() for x in (one, other))
        )
        verdict = f"{one} is better" if difference.clear else "no clear difference"
        lines.append(
            f"- {one} against {other}: {difference.mean:+.2f} ± {difference.half:.2f} points: "
            f"{verdict}."
        )
    return lines


def draw(runs: Runs) -> Figure:
    """Draw the best score so far against the number of networks: means with standard errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes: Any = figure.subplots()
    env, networks = runs.envs[0], np.arange(1, runs.limit + 1)
    for index, agent in enumerate(runs.agents):
        values = runs.curves(agent, env, "score", networks.tolist())
        mean = values.mean(axis=0)
        error = values.std(axis=0, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0 * mean
        colour = "#777777" if agent == BASELINE else f"C{index}"
        axes.plot(networks, mean, color=colour, label=agent, lw=2.2 if index == 0 else 1.4)
        axes.fill_between(networks, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    axes.set_xlabel("networks trained")
    axes.set_ylabel("best validation score so far")
    axes.set_ylim(bottom=float(values.mean(axis=0)[min(4, runs.limit - 1)]))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
