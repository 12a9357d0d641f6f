"""The table of the best networks that were trained to convergence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from nas_env_cli.metric_format import MetricFormat, times_in_words
from nas_env_cli.spread import mean_sd

TEXTS = 2  # columns of text before the columns of numbers


@dataclass(frozen=True)
class BestTable:
    """The table as text: introduction, column heads, cells and notes."""

    introduction: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> BestTable:
        """Return the table of the results of `retrain_best`."""
        fmt = MetricFormat(data["metric"], data["fraction"])
        rows = list(_rows(data, fmt))
        return cls(_introduction(data, fmt), _heads(fmt), rows, list(_notes(data, fmt)))


def table(data: Mapping[str, Any]) -> str:
    """Return the results of `retrain_best` as Markdown."""
    contents = BestTable.of(data)
    rule = ["---"] * TEXTS + ["---:"] * (len(contents.heads) - TEXTS)
    lines = [f"| {' | '.join(cells)} |" for cells in (contents.heads, rule, *contents.rows)]
    notes = [f"- {line}" for line in contents.notes]
    return "\n".join([contents.introduction, "", *lines, "", *notes]) + "\n"


def _rows(data: Mapping[str, Any], fmt: MetricFormat) -> Iterator[tuple[str, ...]]:
    for place, x in enumerate(data["networks"], start=1):
        cells = str(place), x["found_by"], f"{x['search_score']:.4f}", f"{x['params']:,}"
        rise = _last_tenth(x["validation_curves"], fmt)
        yield *cells, rise, *_splits(x["measured"], fmt)
    params, count = sum(x["params"] for x in data["networks"]), len(data["networks"])
    seeds, each = len(data["training_seeds"]), _splits(data["ensemble_by_seed"], fmt)
    yield f"ensemble of the {count}, each seed", "-", "-", f"{params:,}", "-", *each
    every = _splits([data["ensemble_of_all"]], fmt)
    yield f"ensemble of all {count * seeds}", "-", "-", f"{params * seeds:,}", "-", *every


def _introduction(data: Mapping[str, Any], fmt: MetricFormat) -> str:
    plan, seeds = data["plan"], data["training_seeds"]
    change = "points of validation" if fmt.fraction else "change of validation"
    return (
        f"The best {_count(len(data['networks']), 'network')} of the search, each trained for "
        f"up to {_count(plan['epochs'], 'epoch')} ({data['search_epochs']} in the search) with "
        f"{_count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}); mean ± standard deviation "
        f"over the seeds. Last tenth: {change} {fmt.words} gained in the last tenth of the "
        f"epochs. The test split of {data['sizes'][2]} samples was opened "
        f"{times_in_words(data['test_openings'])} for this table, after all trainings, in addition "
        "to the report of the search."
    )


def _heads(fmt: MetricFormat) -> tuple[str, ...]:
    splits = f"validation {fmt.title}", f"test {fmt.title}", "validation - test"
    return "network", "found by", "score in the search", "params", "last tenth", *splits


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _last_tenth(curves: Sequence[Sequence[float]], fmt: MetricFormat) -> str:
    """Return the mean increase of the metric in the last tenth of the epochs."""
    steps = [max(1, len(curve) // 10) for curve in curves]
    rises = [x[-1] - x[-1 - n] for x, n in zip(curves, steps, strict=True) if len(x) > n]
    return fmt.signed(mean_sd(rises)[0]) if rises else "-"


def _splits(measured: Sequence[Mapping[str, float]], fmt: MetricFormat) -> tuple[str, str, str]:
    validation, test = ([x[name] for x in measured] for name in ("validation", "test"))
    gap = mean_sd(validation)[0] - mean_sd(test)[0]
    return fmt.spread(validation), fmt.spread(test), fmt.signed(gap)


def _notes(data: Mapping[str, Any], fmt: MetricFormat) -> Iterator[str]:
    tests = [[x["test"] for x in row["measured"]] for row in data["networks"]]
    together = mean_sd([x["test"] for x in data["ensemble_by_seed"]])[0]
    gain = (together - mean_sd(tests[0])[0]) * fmt.sign
    yield (
        f"The ensemble of each seed is {fmt.amount(abs(gain))} "
        f"{'better' if gain >= 0 else 'worse'} than the network with the best search score"
        f"{_error(together, data['sizes'][2], fmt)}."
    )
    every = [x for row in data["networks"] for x in row["measured"]]
    gap = mean_sd([x["validation"] - x["test"] for x in every])[0]
    points = " points" if fmt.fraction else ""
    yield (
        f"Validation minus test {fmt.words} is {fmt.signed(gap)}{points} on average. The "
        "networks were selected on the validation split, so their validation values are optimistic."
    )
    for place, row in enumerate(data["networks"], start=1):
        if row.get("kept_epochs"):
            kept = ", ".join(map(str, row["kept_epochs"]))
            lasted = ", ".join(str(len(curve)) for curve in row["validation_curves"])
            yield f"Network {place} kept epoch {kept}, the best on validation, of {lasted}."
    if "patience" in data:  # absent if an earlier version trained without early stopping
        patience = _count(data["patience"], "epoch")
        yield f"A training ended after {patience} without a better validation {fmt.words}."
    failed = sum(row["failed"] for row in data["networks"])
    if failed:
        worst = "0" if fmt.fraction else "the best constant guess"
        yield f"{failed} trainings failed; they count as {worst} and are in no ensemble."
    if len(data["training_seeds"]) == 1:
        yield "There is one seed, so the spread is unknown."


def _error(accuracy: float, size: int, fmt: MetricFormat) -> str:
    """Return a note on the standard error of a test accuracy; "" for another metric."""
    if fmt.metric != "accuracy":
        return ""
    share = min(max(accuracy, 0.5 / size), 1 - 0.5 / size)
    error = fmt.amount(sqrt(share * (1 - share) / size))
    return f"; one standard error of such a test accuracy is {error}"
