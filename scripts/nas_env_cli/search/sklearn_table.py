"""The comparison of a search with scikit-learn's models, as a table and as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas_env_cli.metric_format import MetricFormat

INTRODUCTION = """\
Models of scikit-learn, fitted on the training split as the networks read it. The setting is the \
best on the validation split. The models are for comparison only and are not exported."""


def heads(fmt: MetricFormat) -> tuple[str, ...]:
    """Return the heads of the table's columns."""
    return "model", "setting", f"validation {fmt.title}", f"test {fmt.title}", "seconds"


def rows(data: Mapping[str, Any], fmt: MetricFormat) -> list[tuple[str, ...]]:
    """Return the cells of the table.

    Args:
        data: `Baselines.to_json()`, as in `summary.json`.
        fmt: Format of the task's metric.
    """
    return [
        (
            x["name"],
            x["settings"],
            fmt.number(x["validation"]),
            "-" if x["test"] is None else fmt.number(x["test"]),
            f"{x['seconds']:.1f}",
        )
        for x in data["models"]
    ]


def markdown(data: Mapping[str, Any], fmt: MetricFormat) -> str:
    """Return the introduction, the table and the notes as Markdown."""
    lines = [f"- {note}" for note in data["notes"]]
    if data["models"]:
        rule = ("---", "---", "---:", "---:", "---:")
        cells = [heads(fmt), rule, *rows(data, fmt)]
        table = [f"| {' | '.join(row)} |" for row in cells]
        lines = [INTRODUCTION, "", *table, *([""] if lines else []), *lines]
    return "\n".join(lines)


def verdicts(
    data: Mapping[str, Any],
    fmt: MetricFormat,
    validation: float | None,
    test: Sequence[float] = (),
) -> list[str]:
    """Return a sentence that says which models are better than the kept network.

    Args:
        data: `Baselines.to_json()`, as in `summary.json`.
        fmt: Format of the task's metric.
        validation: The network's metric on the validation split; None: it failed.
        test: Its metrics on the test split, one for each seed; empty if it was not opened.
    """
    split, ours = ("test", sum(test) / len(test)) if test else ("validation", validation)
    if not data["models"] or ours is None:
        return []
    named = [(x["name"], x[split]) for x in data["models"] if x[split] is not None]
    better = [(name, x) for name, x in named if fmt.sign * (x - ours) > 0]
    mean = f", mean of {len(test)} seeds" if len(test) > 1 else ""
    own = f"{fmt.number(ours)}{fmt.unit}{mean}"
    if not better:
        names = " and ".join(f"{name} ({fmt.number(x)}{fmt.unit})" for name, x in named)
        return [
            f"By {split} {fmt.words}, no model of scikit-learn is better than the kept network "
            f"({own}): {names}."
        ]
    names = " and ".join(f"{name} ({fmt.number(x)}{fmt.unit})" for name, x in better)
    return [
        f"By {split} {fmt.words}, scikit-learn's {names} {'is' if len(better) == 1 else 'are'} "
        f"better than the kept network ({own})."
    ]
