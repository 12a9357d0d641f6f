"""Write one HTML page about one or several searches, finished or running.

Example: nas-env report runs/mine runs/other --output report.html
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from nas_env.errors import InvalidSettingError, NASError
from nas_env_agents import AGENTS
from nas_env_agents.q_learning import QLearning
from nas_env_cli.commands.search import make_env
from nas_env_cli.report.data import read_options, read_run
from nas_env_cli.report.decisions import Heat, q_heat
from nas_env_cli.report.page import Run, page
from nas_env_cli.search.options import Options, agent_of
from nas_env_cli.search.user_data import check_same_data, own_task


@dataclass(frozen=True)
class ReportOptions:
    """Write one HTML page about one or several searches, finished or running."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of searches, which stand side by side."""
    output: Path | None = None
    """The file; report.html in the first folder if left out."""


def run(options: ReportOptions) -> int:
    """Write the page and return the exit code."""
    try:
        text = page(read_all(options.runs))
    except NASError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    output = options.output or options.runs[0] / "report.html"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    print(f"Written: {output}")
    return 0


def read_all(runs: tuple[Path, ...]) -> list[Run]:
    """Return runs as the page needs them.

    Raises:
        InvalidSettingError: There are none, or one of the folders holds no search with a network.
    """
    if not runs:
        raise InvalidSettingError("No run is given. Name the --output folder of a search.")
    return [read(run, name) for run, name in zip(runs, names(runs), strict=True)]


def names(runs: tuple[Path, ...]) -> list[str]:
    """Return what the runs are called: their folders' names, or their paths where those agree."""
    short = [run.resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]


def read(run: Path, name: str) -> Run:
    """Return a run as the page needs it.

    Raises:
        InvalidSettingError: The folder holds no search, or nothing was evaluated yet.
        InvalidDataError: Its data cannot be read any more.
        IncompatibleError: They have changed.
    """
    data = read_options(run)
    search, task = Options(**data), own_task(data)
    if task is not None:
        check_same_data(run, task)
    env = make_env(search, agent_of(search), None, task)
    check_same_data(run, env.task)
    return Run(read_run(run, env, name), env.task.spec, q_table(run, search, env))


def q_table(run: Path, search: Options, env: Any) -> Heat | None:
    """Return the Q-table that a tabular agent saved at its end, None where there is none."""
    kind = AGENTS.get(agent_of(search))
    saved = run / "agents" / agent_of(search)
    if not issubclass(kind, QLearning) or not list(saved.parent.glob(f"{saved.name}*")):
        return None
    return q_heat(kind.load(saved, env))


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words that follow its name; return the exit code."""
    description = inspect.cleandoc(ReportOptions.__doc__ or "")
    return run(
        tyro.cli(ReportOptions, args=arguments, prog="nas-env report", description=description)
    )
