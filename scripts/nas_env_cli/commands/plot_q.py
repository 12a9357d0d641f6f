"""Draw the Q-table of a finished search: values, visits, greedy path.

Example: python scripts/plot_q.py runs/mine
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from search import make_env

from agents import AGENTS
from agents.q_learning import QLearning
from agents.search.options import Options, agent_of
from agents.search.own_data import own_task
from agents.search.q_table import draw_q, picture_of
from nas_env.errors import InvalidSettingError, NASError
from nas_env.rendering import save_drawing


@dataclass(frozen=True)
class PlotOptions:
    """Draw the Q-table of a finished search: values, visits, greedy path."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a search with a tabular agent."""
    output: Path | None = None
    """Stem of the pictures (.svg, .png); RUN/q_table if left out."""


def main(options: PlotOptions) -> int:
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


if __name__ == "__main__":
    sys.exit(main(tyro.cli(PlotOptions, description=PlotOptions.__doc__)))
