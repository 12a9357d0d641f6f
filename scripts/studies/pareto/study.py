"""Search accuracy and latency of NAS-Bench-201 together, and write `docs/pareto.md`.

Example: python -m scripts.studies pareto
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nas_env  # noqa: F401 - registers the environments
from nas_env.registry import unknown_name
from nas_env_agents.common.base import AGENTS
from scripts.studies.common.experiment import Experiment, require_at_least
from scripts.studies.pareto.method_choice import CHEAP, DEAR, Choice, Plan, play, runs_of
from scripts.studies.pareto.page import write_page

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Options:
    """Compare methods by Pareto sets; the same command resumes after an interrupt."""

    seeds: int = 30
    """Reported runs of each method, with seeds 0, 1, ..."""
    choosing: int = 5
    """Runs for the choice of the setting of each method, with seeds 1000, 1001, ..."""
    networks: int = 400
    """Different networks of a run."""
    agents: tuple[str, ...] = (*CHEAP, *DEAR)
    """Agents that search one objective after the other."""
    processes: int = 1
    """Runs at once; the page reports the time of a run, so one is the default."""
    page: Path = ROOT / "docs" / "pareto.md"
    """The page; results.jsonl and pictures go into the folder with its name."""


def run(options: Options) -> int:
    """Play the runs that have no result yet, and write the page."""
    require_at_least(options, seeds=2, choosing=1, networks=20, processes=1)
    for agent in options.agents:
        if agent not in AGENTS:
            raise unknown_name("agent", agent, AGENTS)
    experiment = Experiment.beside(options.page, {"networks": options.networks})
    plan, once = (
        Plan(options.agents, options.choosing, options.seeds),
        partial(play, options.networks),
    )
    experiment.play(plan.to_choose(), once, options.processes)
    choice = Choice(plan, runs_of(experiment, "choose"))
    experiment.play(plan.to_report(choice.chosen), once, options.processes)
    write_page(experiment, choice, options.page)
    print(f"Written: {options.page}")
    return 0
