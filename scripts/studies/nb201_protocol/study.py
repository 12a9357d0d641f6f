"""Run the protocol of the NAS-Bench-201 paper and compare with the published numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.folder import BenchmarkFolder, Plan
from nas_env_cli.benchmark.results import incumbents, read_results, write_results
from nas_env_cli.benchmark.runner import run_plan
from nas_env_cli.specs import AgentSpec, EnvSpec, distinct
from scripts.studies.common.experiment import typed_command
from scripts.studies.nb201_protocol.page import AGENTS, ENV, protocol_page, protocol_results

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Options:
    """Run the NAS-Bench-201 paper's protocol; the same command resumes after an interrupt."""

    seeds: int = 500
    """Runs of each agent, with seeds 0, 1, ..."""
    simulated_seconds: float = 12_000.0
    """Limit of a run, in seconds of the table's training times."""
    agents: tuple[str, ...] = AGENTS
    """Agents, in the notation of `nas-env benchmark`."""
    processes: int = 2
    """Runs at once."""
    folder: Path = ROOT / "runs" / "nb201-protocol"
    """Folder of the runs."""
    page: Path = ROOT / "docs" / "nb201-protocol.md"
    """The page; best.parquet goes into the folder with its name."""


def run(options: Options) -> int:
    """Play the missing runs and write the page."""
    for name in ("seeds", "processes"):
        if getattr(options, name) < 1:
            raise InvalidSettingError(
                f"Option --{name} must be >= 1, but is {getattr(options, name)}."
            )
    agents = tuple(AgentSpec.parse(text) for text in options.agents)
    distinct(agents, "agents")
    command = typed_command()
    plan = Plan(
        agents,
        (EnvSpec.parse(ENV),),
        range(options.seeds),
        limit=None,
        simulated_seconds=options.simulated_seconds,
        charge_repeats=True,
        command=command,
    )
    folder = BenchmarkFolder(options.folder)
    failed = run_plan(plan, folder, options.processes)
    if failed:
        print(f"{len(failed)} runs failed. First failure: {failed[0].cell}: {failed[0].error}")
        return 1
    table, settings = read_results(folder.path / "best.parquet")
    results_file = options.page.with_suffix("") / "best.parquet"
    results_file.parent.mkdir(parents=True, exist_ok=True)
    write_results(results_file, [incumbents(table)], settings)
    source = results_file.relative_to(options.page.parent).as_posix()
    text = protocol_page(protocol_results(table, settings), settings, source)
    options.page.write_text(text, encoding="utf-8")
    print(f"{text}\nWritten: {options.page}")
    return 0
