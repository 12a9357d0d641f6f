"""Run agents on environments with many seeds, and write the results and a leaderboard.

Example: nas-env benchmark --agents random q-learning --envs
c10=NASBench201-v0:dataset=cifar10 NASBenchMacro-v0 --seeds 100 --output runs/board
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import InvalidSettingError
from nas_env.registration import ENVIRONMENTS
from nas_env_agents import AGENTS
from nas_env_cli.benchmark.folder import BenchmarkFolder, Plan
from nas_env_cli.benchmark.page import write_page
from nas_env_cli.benchmark.results import check_name, read_results
from nas_env_cli.benchmark.runner import run_plan
from nas_env_cli.benchmark.statistics import REPEATS
from nas_env_cli.interrupts import exit_code
from nas_env_cli.specs import AgentSpec, EnvSpec, distinct

FAILED = 1
LEAST = {"seeds": 1, "first_seed": 0, "limit": 1, "processes": 1, "repeats": 1}
KNOWN_AGENTS = f"Registered: {', '.join(AGENTS)}."
KNOWN_ENVS = f"Known: {', '.join(row.id for row in ENVIRONMENTS)}."


@dataclass(frozen=True)
class Options:
    """Run agents on environments with many seeds, and write the results and a leaderboard.

    Run an interrupted command again to continue it. Another command may add agents, environments
    and seeds to the same folder. The limits and the settings of a label cannot be changed.
    """

    output: Path
    """Folder of the benchmark."""
    agents: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint=KNOWN_AGENTS)] = ()
    """NAME, NAME:SETTING=VALUE,SETTING=VALUE or MODULE:CLASS, each with an optional LABEL=."""
    envs: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint=KNOWN_ENVS)] = ()
    """ID or ID:NAME=VALUE,NAME=VALUE, each with an optional LABEL=."""
    seeds: int = 10
    """Number of seeds."""
    first_seed: int = 0
    """First seed."""
    limit: int = 300
    """Unique networks of a run; a run has at most ten times as many episodes."""
    charge_repeats: bool = False
    """Count a network and its seconds against the limits each time it is evaluated."""
    charge_isomorphs: bool = True
    """Count each walk to the same network against the limits, if a table has an entry for each."""
    simulated_seconds: float | None = None
    """Also end a run after this many seconds of the training times in the table."""
    processes: int = 2
    """Parallel runs, each with one thread."""
    results: str = "results.parquet"
    """Name of the file of all rows, .parquet or .csv; the best rows are in best.* beside it."""
    repeats: int = REPEATS
    """Bootstrap samples of an interval on the page (leaderboard.md in the folder)."""


def run(options: Options) -> int:
    """Run the missing cells, write the results and the page, and return the exit code."""
    return exit_code(partial(_run, options))


def _run(options: Options) -> int:
    """Run every unfinished cell, write the results and the page, and return the exit code."""
    plan = plan_of(options)
    folder = BenchmarkFolder(options.output)
    failed = run_plan(plan, folder, options.processes, options.results)
    written = list(folder.paths(options.results))
    table, settings = read_results(written[1])
    if len(table):
        print("writing the page ...", file=sys.stderr)
        page = options.output / "leaderboard.md"
        written += write_page(table, settings, page, written[1], options.repeats)
    for path in written:
        print(f"Written: {path}")
    if failed:
        print(f"{len(failed)} runs failed. Run the same command again to repeat them.")
        print(f"First failure: {failed[0].cell}: {failed[0].error}")
    return FAILED if failed else 0


def plan_of(options: Options) -> Plan:
    """Check the options and return the plan; nothing is written.

    Raises:
        UnknownNameError: No such agent or environment.
        InvalidSettingError: A number is out of its range, or a label is used twice.
    """
    for name, least in LEAST.items():
        if getattr(options, name) < least:
            raise InvalidSettingError(
                f"Option --{name.replace('_', '-')} must be >= {least}, got "
                f"{getattr(options, name)}."
            )
    for name, values in (("agents", options.agents), ("envs", options.envs)):
        if not values:
            raise InvalidSettingError(f"Option --{name} is missing. Give one or more.")
    check_name(Path(options.results))
    agents = tuple(AgentSpec.parse(text) for text in options.agents)
    envs = tuple(EnvSpec.parse(text) for text in options.envs)
    distinct(agents, "agents")
    distinct(envs, "envs")
    for env in envs:
        check_env(env, options.simulated_seconds)
    for agent in agents:
        agent.check_settings(envs[0].make(agent.observation(envs[0])))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    command = f"nas-env {' '.join(sys.argv[1:])}"
    plan = Plan(
        agents,
        envs,
        seeds,
        options.limit,
        options.simulated_seconds,
        options.charge_repeats,
        options.charge_isomorphs,
        command,
    )
    plan.limits  # noqa: B018 - raises if the seconds are not positive
    return plan


def check_env(env: EnvSpec, simulated_seconds: float | None) -> None:
    """Check that an environment can be created, and has training times if they are limited.

    Raises:
        InvalidSettingError: It has no training times.
    """
    env.make().close()
    if simulated_seconds is not None and not env.tells_seconds():
        raise InvalidSettingError(
            f"Option --simulated-seconds has no effect on {env.label}: its networks have no "
            "training times. Leave out the option or the environment."
        )


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(tyro.cli(Options, args=arguments, prog="nas-env benchmark", description=description))
