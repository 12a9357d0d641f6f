"""Draw the Q-table of a finished search: values, visits, greedy path.

Example: nas-env plot-q runs/mine
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nas_env.errors import InvalidSettingError, NASError
from nas_env.rendering import save_drawing
from nas_env_agents import AGENTS
from nas_env_agents.q_learning import QLearning
from nas_env_cli.commands.search import make_env
from nas_env_cli.search.options import Options, agent_of
from nas_env_cli.search.q_table import draw_q, picture_of
from nas_env_cli.search.user_data import own_task


@dataclass(frozen=True)
class PlotOptions:
    """Draw the Q-table of a finished search: values, visits, greedy path."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a search with a tabular agent."""
    output: Path | None = None
    """Stem of the pictures (.svg, .png); RUN/q_table if left out."""


def run(options: PlotOptions) -> int:
    """Write the pictures and return the exit code."""
    try:
        agent = load(options.run)
    except NASError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    stem = options.output or options.run / "q_table"
    for path in save_drawing(draw_q(picture_of(agent)), stem):
        print(f"Written: {path}")
    return 0


def load(run: Path) -> QLearning:
    """Return the tabular agent of a run folder.

    Raises:
        InvalidSettingError: The folder holds no finished search, or its agent has no table.
    """
    file = run / "options.json"
    if not file.is_file():
        raise InvalidSettingError(f"{run} holds no search. Give the --output folder of a search.")
    data = json.loads(file.read_text(encoding="utf-8"))
    data["data"] = Path(data["data"]) if data["data"] else None
    search = Options(**data)
    agent = agent_of(search)
    kind = AGENTS.get(agent)
    if not issubclass(kind, QLearning):
        raise InvalidSettingError(
            f"Agent {agent!r} of {run} has no Q-table. Search with --agent q-learning."
        )
    env = make_env(search, agent, None, own_task(data))
    return kind.load(run / "agents" / agent, env)


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words that follow its name; return the exit code."""
    description = inspect.cleandoc(PlotOptions.__doc__ or "")
    return run(
        tyro.cli(PlotOptions, args=arguments, prog="nas-env plot-q", description=description)
    )
