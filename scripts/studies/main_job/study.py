"""Write `docs/main-job.md`: the search of `nas-env search` without options, and its results.

Two sources: finished runs of the command with different seeds, and a benchmark of several agents on
`NASChain-v0`, the table of all networks of the same space, trained with the same settings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from nas_env_cli.spread import mean_sd
from scripts.studies.common.pages import save_page
from scripts.studies.main_job.comparisons import Difference, plus_minus
from scripts.studies.main_job.side_by_side import section

PAGE = Path(__file__).resolve().parents[3] / "docs" / "main-job.md"
TEMPLATE = Path(__file__).with_name("template.md")
BASELINE = "random"
HIDDEN = ("commit", "code")  # of the versions
AGENT, REFERENCE, RANDOM = range(3)  # order of the retrained networks in a summary

Summary = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """Write docs/main-job.md from finished runs of the main job."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders, one per seed."""
    table: Path = PAGE.with_suffix("") / "best.parquet"
    """Results of nas-env benchmark on NASChain-v0."""
    page: Path = PAGE
    """The page; its figure goes into the folder with its name."""


def run(options: Options) -> int:
    """Read the runs and write the page."""
    runs = [json.loads((path / "summary.json").read_text("utf-8")) for path in options.runs]
    runs.sort(key=lambda run: run["settings"]["seed"])
    options.page.parent.mkdir(parents=True, exist_ok=True)
    save_page(options.page, page(runs, options.table, options.page))
    return 0


def page(runs: Sequence[Summary], table: Path, output: Path) -> str:
    """Return the page."""
    settings = runs[0]["settings"]
    seeds = [run["settings"]["seed"] for run in runs]
    versions = (f"{name} {x}" for name, x in settings["versions"].items() if name not in HIDDEN)
    parts = {
        "$agent": settings["agent"],
        "$evaluations": str(settings["evaluations"]),
        "$epochs": str(settings["epochs"]),
        "$target": f"{settings['target_params']:,}",
        "$objective": settings["objective"],
        "$seed_words": " ".join(map(str, seeds)),
        "$seeds": ", ".join(map(str, seeds)),
        "$retrain_seeds": str(settings["retrain_seeds"]),
        "$versions": ", ".join(versions),
        "$found": "\n".join(_found(runs)),
        "$retrained": "\n".join(_retrained(runs)),
        "$verdicts": "\n".join(f"- {line}" for line in _verdicts(runs)),
        "$side_by_side": section(table, output),
    }
    text = TEMPLATE.read_text("utf-8")
    for name in sorted(parts, key=len, reverse=True):
        text = text.replace(name, parts[name])
    return text


def _found(runs: Sequence[Summary]) -> list[str]:
    lines = [
        "| search | best score found (validation) | mean score, first quarter | last quarter |",
        "| --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys((runs[0]["settings"]["agent"], BASELINE)):
        searches = [run["searches"][name] for run in runs]
        cells = (
            [x["best"]["score"] for x in searches],
            [x["mean_score_first_quarter"] for x in searches],
            [x["mean_score_last_quarter"] for x in searches],
        )
        lines.append(f"| {name} | {' | '.join(plus_minus(cell) for cell in cells)} |")
    return lines


def _retrained(runs: Sequence[Summary]) -> list[str]:
    lines = [
        "| network, retrained | test accuracy, % | test score | params (mean) |",
        "| --- | --- | --- | ---: |",
    ]
    for index, network in enumerate(runs[0]["retrained"]):
        accuracy = plus_minus([100 * x for x in _means(runs, index, "test_accuracies")], digits=2)
        score = plus_minus(_means(runs, index, "test_scores"))
        params = mean_sd([run["retrained"][index]["params"] for run in runs])[0]
        lines.append(f"| {network['name']} | {accuracy} | {score} | {params:,.0f} |")
    noise = mean_sd([run["noise_floor"]["pooled_sd_accuracy"] for run in runs])[0]
    sample = runs[0]["noise_floor"]["one_test_sample"]
    lines += [
        "",
        f"Noise floor: a new training seed moves test accuracy by {100 * noise:.2f} points (pooled "
        f"standard deviation, mean over the searches); one test image is {100 * sample:.2f}.",
    ]
    return lines


def _verdicts(runs: Sequence[Summary]) -> list[str]:
    """Return one sentence for each comparison, whoever wins."""
    agent = runs[0]["settings"]["agent"]
    best_scores = [[run["searches"][x]["best"]["score"] for run in runs] for x in (agent, BASELINE)]
    tests = {index: _means(runs, index, "test_scores") for index in (AGENT, REFERENCE, RANDOM)}
    accuracies = [_means(runs, index, "test_accuracies") for index in (AGENT, REFERENCE)]
    searches = [run["searches"][agent] for run in runs]
    learned = sum(x["mean_score_last_quarter"] > x["mean_score_first_quarter"] for x in searches)
    return [
        f"Best score found: {Difference.of(*best_scores).sentence(agent, 'random search')}",
        "Retrained, test score: "
        f"{Difference.of(tests[AGENT], tests[RANDOM]).sentence(agent, 'random search')}",
        "Retrained, test score: "
        f"{Difference.of(tests[AGENT], tests[REFERENCE]).sentence(agent, 'the reference')}",
        f"Retrained, test accuracy: {Difference.of(*accuracies).sentence(agent, 'the reference')}",
        f"The last quarter of the networks of {agent} scores higher than the first in {learned} of "
        f"{len(runs)} searches.",
    ]


def _means(runs: Sequence[Summary], index: int, name: str) -> list[float]:
    """Return the mean over the training seeds of a retrained network, for each run."""
    return [mean_sd(run["retrained"][index][name])[0] for run in runs]
