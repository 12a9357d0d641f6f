"""Draw the Q-table of a finished search: values, visits, greedy path.

Example: nas-env plot-q runs/mine
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from nas_env.errors import InvalidSettingError
from nas_env.rendering import save_drawing
from nas_env_cli.interrupts import exit_code
from nas_env_cli.search.plan import SearchPlan
from nas_env_cli.search.q_table import draw_q, picture_of
from nas_env_cli.search.saved_agent import load_q_agent


@dataclass(frozen=True)
class PlotOptions:
    """Draw the Q-table of a finished search: values, visits, greedy path."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a search with a tabular agent."""
    output: Path | None = None
    """Path of the plots without suffix (.svg, .png); default: q_table in the run folder."""


def run(options: PlotOptions) -> int:
    """Write the plots and return the exit code."""
    return exit_code(partial(_run, options))


def _run(options: PlotOptions) -> int:
    plan = SearchPlan.of_run(options.run)
    agent = load_q_agent(options.run, plan)
    if agent is None:
        raise InvalidSettingError(
            f"There is no Q-table of agent {plan.agent.name!r} in {options.run}. Finish a search "
            "with a tabular agent, such as --agent q-learning."
        )
    stem = options.output or options.run / "q_table"
    for path in save_drawing(draw_q(picture_of(agent)), stem):
        print(f"Written: {path}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(PlotOptions.__doc__ or "")
    return run(
        tyro.cli(PlotOptions, args=arguments, prog="nas-env plot-q", description=description)
    )
