"""Write one HTML page about one or several searches, finished or running.

Example: nas-env report runs/mine runs/other --output report.html
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
from nas_env.files import write_atomically
from nas_env_cli.interrupts import exit_code
from nas_env_cli.report.data import read_run
from nas_env_cli.report.decisions import q_heat
from nas_env_cli.report.page import Run, page
from nas_env_cli.search.plan import SearchPlan
from nas_env_cli.search.saved_agent import load_q_agent


@dataclass(frozen=True)
class ReportOptions:
    """Write one HTML page about one or several searches, finished or running."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of searches, shown side by side."""
    output: Path | None = None
    """Output file; default: report.html in the first folder."""


def run(options: ReportOptions) -> int:
    """Write the page and return the exit code."""
    return exit_code(partial(_run, options))


def _run(options: ReportOptions) -> int:
    text = page(read_all(options.runs))
    output = options.output or options.runs[0] / "report.html"
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, text)
    print(f"Written: {output}")
    return 0


def read_all(runs: tuple[Path, ...]) -> list[Run]:
    """Read runs for the page.

    Raises:
        InvalidSettingError: There are no runs, or a folder has no search with an evaluation.
    """
    if not runs:
        raise InvalidSettingError("No run is given. Give the --output folder of a search.")
    return [read(run, name) for run, name in zip(runs, names(runs), strict=True)]


def names(runs: tuple[Path, ...]) -> list[str]:
    """Return the names of runs: their folder names, or their paths if two names are equal."""
    short = [run.resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]


def read(run: Path, name: str) -> Run:
    """Read a run for the page.

    Raises:
        InvalidSettingError: The folder has no search, or nothing was evaluated yet.
        InvalidDataError: The data of the run can no longer be read.
        IncompatibleError: The data of the run have changed.
    """
    plan = SearchPlan.of_run(run)
    table = load_q_agent(run, plan)
    heat = None if table is None else q_heat(table)
    return Run(read_run(run, plan.env_for_reading(), name), plan.task.spec, heat)


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(ReportOptions.__doc__ or "")
    return run(
        tyro.cli(ReportOptions, args=arguments, prog="nas-env report", description=description)
    )
