"""Search accuracy and latency of NAS-Bench-201 together, and write `docs/pareto.md`.

Example: python -m scripts.studies pareto
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import InvalidSettingError
from nas_env.registry import unknown_name
from nas_env_agents.common.base import AGENTS
from scripts.studies.common.command import typed_command
from scripts.studies.pareto.method_choice import CHEAP, DEAR, Choice, Experiment, Plan
from scripts.studies.pareto.page import write_page

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Options:
    """Compare methods by Pareto sets; the same command goes on where it was interrupted."""

    seeds: int = 30
    """Runs of each method that are reported, with seeds 0, 1, ..."""
    choosing: int = 5
    """Runs by which the setting of each method is chosen, with seeds 1000, 1001, ..."""
    networks: int = 400
    """Different networks of a run."""
    agents: tuple[str, ...] = (*CHEAP, *DEAR)
    """Agents that search one objective after the other."""
    page: Path = ROOT / "docs" / "pareto.md"
    """The page; results.jsonl and pictures go into the folder of its name."""


def run(options: Options) -> int:
    """Run what is missing and write the page."""
    torch.set_num_threads(1)
    for name, least in (("seeds", 2), ("choosing", 1), ("networks", 20)):
        if (value := getattr(options, name)) < least:
            raise InvalidSettingError(f"Option --{name} must be >= {least}, but is {value}.")
    for agent in options.agents:
        if agent not in AGENTS:
            raise unknown_name("agent", agent, AGENTS)
    command = typed_command()
    folder = options.page.with_suffix("")
    experiment = Experiment(folder / "results.jsonl", options.networks)
    plan = Plan(options.agents, options.choosing, options.seeds)
    experiment.play(plan.to_choose(), command)
    choice = Choice(plan, experiment.runs("choose"))
    experiment.play(plan.to_report(choice.chosen), command)
    write_page(experiment, choice, options.page)
    print(f"Written: {options.page}")
    return 0
