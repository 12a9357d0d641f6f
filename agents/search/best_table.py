"""The table of the best networks that were trained to convergence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

from agents.search.retraining import mean_sd

HEADING = (
    "| network | found by | score in the search | params | last tenth | validation, % | test, % "
    "| validation - test |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
)


def table(data: Mapping[str, Any]) -> str:
    """Return what `retrain_best` returned, as Markdown."""
    return "\n".join(_lines(data)) + "\n"


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    plan, seeds, size = data["plan"], data["training_seeds"], data["sizes"][2]
    yield (
        f"The best {_count(len(data['networks']), 'network')} of the search, each trained for "
        f"{_count(plan['epochs'], 'epoch')} ({data['search_epochs']} in the search) with "
        f"{_count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}); mean ± standard deviation "
        "over the seeds. Last tenth: points of validation accuracy that the last tenth of the "
        f"epochs brought. The test split of {size} samples was opened "
        f"{_times(data['test_openings'])} for this table, after all trainings, besides the report "
        "of the search."
    )
    yield ""
    yield from HEADING
    for place, x in enumerate(data["networks"], start=1):
        yield (
            f"| {place} | {x['found_by']} | {x['search_score']:.4f} | {x['params']:,} "
            f"| {_last_tenth(x['validation_curves'])} | {_splits(x['accuracies'])} |"
        )
    params = sum(x["params"] for x in data["networks"])
    count = len(data["networks"])
    together = _splits(data["ensemble_by_seed"])
    yield f"| ensemble of the {count}, each seed | - | - | {params:,} | - | {together} |"
    every, number = data["ensemble_of_all"], count * len(seeds)
    yield (
        f"| ensemble of all {number} | - | - | {params * len(seeds):,} | - | {_splits([every])} |"
    )
    yield ""
    yield from (f"- {line}" for line in _notes(data))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _last_tenth(curves: Sequence[Sequence[float]]) -> str:
    """Return by how many points accuracy rose in the last tenth of the epochs, on average."""
    steps = [max(1, len(curve) // 10) for curve in curves]
    rises = [x[-1] - x[-1 - n] for x, n in zip(curves, steps, strict=True) if len(x) > n]
    return f"{100 * mean_sd(rises)[0]:+.2f}" if rises else "-"


def _times(count: int) -> str:
    return "once" if count == 1 else f"for the {count}. time"


def _spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation in percent; of a single value, the value."""
    if not values:
        return "-"
    mean, sd = mean_sd([100 * x for x in values])
    return f"{mean:.2f} ± {sd:.2f}" if len(values) > 1 else f"{mean:.2f}"


def _splits(accuracies: Sequence[Mapping[str, float]]) -> str:
    validation, test = ([x[name] for x in accuracies] for name in ("validation", "test"))
    gap = 100 * (mean_sd(validation)[0] - mean_sd(test)[0])
    return f"{_spread(validation)} | {_spread(test)} | {gap:+.2f}"


def _notes(data: Mapping[str, Any]) -> Iterator[str]:
    size = data["sizes"][2]
    tests = [[x["test"] for x in row["accuracies"]] for row in data["networks"]]
    first, together = mean_sd(tests[0])[0], [x["test"] for x in data["ensemble_by_seed"]]
    gain = 100 * (mean_sd(together)[0] - first)
    share = min(max(mean_sd(together)[0], 0.5 / size), 1 - 0.5 / size)
    error = 100 * sqrt(share * (1 - share) / size)
    yield (
        f"The ensemble of each seed is {abs(gain):.2f} points {'above' if gain >= 0 else 'below'} "
        f"the network that the search scored best; one standard error of such a test accuracy is "
        f"{error:.2f} points."
    )
    every = [x for row in data["networks"] for x in row["accuracies"]]
    gap = 100 * mean_sd([x["validation"] - x["test"] for x in every])[0]
    yield (
        f"Validation minus test accuracy is {gap:+.2f} points on average. The networks were chosen "
        "by the validation split, which makes it look too good."
    )
    failed = sum(row["failed"] for row in data["networks"])
    if failed:
        yield f"{failed} trainings failed; they count as 0 and are in no ensemble."
    if len(data["training_seeds"]) == 1:
        yield "There is one seed, so nothing is known of the spread."
