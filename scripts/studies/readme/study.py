"""Write the picture and the table of results of `README.md` from the committed leaderboard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nas_env.errors import InvalidDataError
from nas_env_cli.benchmark.results import read_results
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.benchmark.statistics import iqm
from scripts.studies.common.experiment import ROOT
from scripts.studies.readme.overview_chart import draw_overview, save

RESULTS = ROOT / "docs" / "leaderboard" / "best.parquet"
PICTURE = Path("docs") / "readme" / "overview.svg"
MARKED = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->\n)", re.DOTALL)
AGENTS = {
    "random": "random search",
    "regularized-evolution": "regularised evolution",
    "local-search": "local search",
    "maskable-ppo": "maskable PPO",
    "imagination": "imagination",
}
ENVS = {
    "nb201-cifar10": "CIFAR-10",
    "nb201-cifar100": "CIFAR-100",
    "nb201-imagenet16-120": "ImageNet16-120",
    "macro": "Macro",
    "chain": "Chain",
}
DRAWN = "nb201-cifar100"


@dataclass(frozen=True)
class Options:
    """Write the picture and the table of results of README.md."""

    results: Path = RESULTS
    """File of results that `nas-env benchmark` wrote."""
    output: Path = ROOT
    """Folder of the written README.md and docs/readme/overview.svg."""


def run(options: Options) -> int:
    """Write the README and its picture, and return the exit code."""
    table, settings = read_results(options.results)
    runs = Runs(table, settings["limit"])
    readme, picture = options.output / "README.md", options.output / PICTURE
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    readme.write_text(filled(text, results_table(runs)), encoding="utf-8")
    save(draw_overview(runs, DRAWN, "NAS-Bench-201, CIFAR-100", AGENTS), picture)
    print(f"Written: {readme}\nWritten: {picture}")
    return 0


def filled(text: str, table: str) -> str:
    """Return the README with a table between its markers.

    Raises:
        InvalidDataError: The text has no markers.
    """
    if not MARKED.search(text):
        raise InvalidDataError(
            "README.md has no place for the results. Put the lines '<!-- results -->' and "
            "'<!-- /results -->' where the table belongs."
        )
    return MARKED.sub(lambda place: place[1] + table + place[2], text)


def results_table(runs: Runs) -> str:
    """Return the regret of each agent at the limit, in points, as a Markdown table."""
    lines = [f"| agent | {' | '.join(ENVS.values())} |", "| --- |" + " ---: |" * len(ENVS)]
    for agent in AGENTS:
        cells = [f"{100 * iqm(runs.values(agent, env, 'regret_report')).value:.2f}" for env in ENVS]
        lines.append(f"| `{agent}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
