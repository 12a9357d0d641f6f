"""Write `docs/main-job.md` from finished runs of the main job with different seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from scipy.stats import t as student

from nas_env_cli.spread import mean_sd

PAGE = Path(__file__).resolve().parents[3] / "docs" / "main-job.md"


@dataclass(frozen=True)
class Options:
    """Write docs/main-job.md from finished runs of the main job."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders, one per seed."""
    output: Path = PAGE
    """The page."""


def run(options: Options) -> int:
    """Read the runs and write the page."""
    runs = [json.loads((path / "summary.json").read_text("utf-8")) for path in options.runs]
    runs.sort(key=lambda run: run["settings"]["seed"])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page(runs), encoding="utf-8")
    print(f"Written: {options.output}")
    return 0


def page(runs: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    settings = runs[0]["settings"]
    agent = settings["agent"]
    seeds = [run["settings"]["seed"] for run in runs]
    versions = ", ".join(f"{k} {v}" for k, v in settings["versions"].items() if k != "commit")
    return "\n".join(
        [
            "# The main job",
            "",
            f"`{agent}` searches handwritten digits: {settings['evaluations']} networks a search, "
            f"{settings['epochs']} epochs each, objective `{settings['objective']}` with "
            f"{settings['target_params']:,} parameters; random search has the same. Search seeds "
            f"{', '.join(map(str, seeds))}; each reported network trained anew with "
            f"{settings['retrain_seeds']} seeds. ± is the standard deviation over the searches.",
            "",
            "```bash",
            f"for seed in {' '.join(map(str, seeds))}; do",
            '  make search ARGS="--seed $seed" OUTPUT=runs/main-job-$seed',
            "done",
            ".venv/bin/python -m scripts.studies main-job runs/main-job-*",
            "```",
            "",
            f"Versions: {versions}. Numbers depend on the processor in the last digits.",
            "",
            *_found(runs, agent),
            "",
            *_retrained(runs),
            "",
            *_sentences(runs, agent),
            "",
        ]
    )


def _found(runs: Sequence[dict[str, Any]], agent: str) -> list[str]:
    lines = [
        "| search | best score found (validation) | mean score, first quarter | last quarter |",
        "| --- | --- | --- | --- |",
    ]
    for name in (agent, "random"):
        searches = [run["searches"][name] for run in runs]
        cells = (
            [x["best"]["score"] for x in searches],
            [x["mean_score_first_quarter"] for x in searches],
            [x["mean_score_last_quarter"] for x in searches],
        )
        lines.append(f"| {name} | {' | '.join(_pm(cell) for cell in cells)} |")
    return lines


def _retrained(runs: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| network, trained anew | test accuracy, % | test score | params (mean) |",
        "| --- | --- | --- | ---: |",
    ]
    for index, network in enumerate(runs[0]["retrained"]):
        rows = [run["retrained"][index] for run in runs]
        accuracy = _pm([100 * mean_sd(x["test_accuracies"])[0] for x in rows], digits=2)
        score = _pm([mean_sd(x["test_scores"])[0] for x in rows])
        params = mean_sd([x["params"] for x in rows])[0]
        lines.append(f"| {network['name']} | {accuracy} | {score} | {params:,.0f} |")
    noise = mean_sd([run["noise_floor"]["pooled_sd_accuracy"] for run in runs])[0]
    sample = runs[0]["noise_floor"]["one_test_sample"]
    lines += [
        "",
        f"Noise floor: a new training seed moves test accuracy by {100 * noise:.2f} points (pooled "
        f"sd, mean over the searches); one test image is {100 * sample:.2f}.",
    ]
    return lines


def _sentences(runs: Sequence[dict[str, Any]], agent: str) -> list[str]:
    def best(run: dict[str, Any], name: str) -> float:
        return float(run["searches"][name]["best"]["score"])

    wins = sum(best(run, agent) > best(run, "random") for run in runs)
    losses = sum(best(run, agent) < best(run, "random") for run in runs)
    tests = [
        mean_sd([mean_sd(run["retrained"][i]["test_scores"])[0] for run in runs]) for i in (0, 1)
    ]
    higher = "higher" if tests[0][0] > tests[1][0] else "lower"
    learned = sum(
        run["searches"][agent]["mean_score_last_quarter"]
        > run["searches"][agent]["mean_score_first_quarter"]
        for run in runs
    )
    return [
        f"- During the search {agent} beat random search in {wins}, lost in {losses} and tied in "
        f"{len(runs) - wins - losses} of {len(runs)} seeds.",
        f"- Trained anew, its best networks score {higher} on the test split than random search's: "
        f"{tests[0][0]:.4f} against {tests[1][0]:.4f} in the mean over {len(runs)} searches. With "
        "so few searches and this noise floor, that is no proof that either is better.",
        f"- Its policy learns: the last quarter of its networks scores higher than the first in "
        f"{learned} of {len(runs)} seeds.",
        f"- {_reference(runs)}",
    ]


def _reference(runs: Sequence[dict[str, Any]]) -> str:
    """Compare the agent's networks with the one a person drew, over the searches."""
    gaps = [
        mean_sd(run["retrained"][0]["test_scores"])[0]
        - mean_sd(run["retrained"][2]["test_scores"])[0]
        for run in runs
    ]
    mean, sd = mean_sd(gaps)
    half = float(student.ppf(0.975, len(gaps) - 1)) * sd / len(gaps) ** 0.5 if sd else 0.0
    word = "above" if mean > 0 else "below"
    clear = "" if abs(mean) > half else "; that is no difference"
    return (
        f"Against the hand-made reference its networks are {abs(mean):.4f} {word} in test score "
        f"(95 % interval of the mean difference ± {half:.4f}){clear}."
    )


def _pm(values: Sequence[float], digits: int = 4) -> str:
    mean, sd = mean_sd(values)
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"
