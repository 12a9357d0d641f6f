"""Writes docs/cases.md from the records of searches."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.spread import mean_sd, pooled_sd
from scripts.studies.cases.definitions import Case
from scripts.studies.cases.searches import mean_test
from scripts.studies.common.experiment import Experiment
from scripts.studies.common.made_by import versions_text

TEMPLATE = Path(__file__).with_name("template.md")
FIRST_SEED = 1000
SVC = "svc"
Record = Mapping[str, Any]
HEADS = (
    *("case", "metric", "kept network, test", "kept from", "parameters", "portfolio's best, test"),
    *("scikit-learn's best, test", "agent, random search: validation after equal seconds"),
    *("own network won", "seconds", "int8 ONNX, bytes"),
)
LEAST_MNIST, LEAST_DIGITS, FEWER_THAN = 0.988, 0.99, 50_000


@dataclass(frozen=True)
class Results:
    """The results of one case.

    Attributes:
        case: The case.
        records: Records of its searches by seed.
        model: The record of its support vector classifier, if any.
    """

    case: Case
    records: Mapping[int, Record]
    model: Record | None

    @property
    def fmt(self) -> MetricFormat:
        """Format of the metric."""
        metric = next(iter(self.records.values()))["metric"]
        return MetricFormat(metric, metric not in ("mse", "mae"))

    def tests(self, network: str) -> list[float]:
        """Return the mean test metric of a network in each search that has it."""
        return [mean_test(x[network]) for x in self.records.values() if x[network] is not None]

    def pairs(self) -> list[tuple[float, float]]:
        """Return the test metrics of own network and portfolio's best, by both seeds."""
        return [
            pair
            for x in self.records.values()
            if x["own"] is not None and x["portfolio"] is not None
            for pair in zip(x["own"]["tests"], x["portfolio"]["tests"], strict=True)
        ]

    def wins(self) -> tuple[int, int, int]:
        """Return in how many pairs the own network is better, equal, and the number of pairs."""
        signs = [self.fmt.sign * (own - other) for own, other in self.pairs()]
        return sum(x > 0 for x in signs), signs.count(0), len(signs)


def page(experiment: Experiment, cases: Mapping[str, Case]) -> str:
    """Return the page."""
    results = results_of(experiment, cases)
    done = {name: x for name, x in results.items() if x.records}
    values = {
        "made": made(experiment),
        "table": "\n".join(table(done)) if done else "No case has been run yet.",
        "won": won(done),
        "goals": "\n".join(f"- {line}" for line in goals(results)),
        "sections": "\n\n".join(section(name, x) for name, x in results.items()),
    }
    return string.Template(TEMPLATE.read_text("utf-8")).substitute(values)


def results_of(experiment: Experiment, cases: Mapping[str, Case]) -> dict[str, Results]:
    """Return the results of each case."""
    finished = experiment.results()
    rows = {}
    for name, case in cases.items():
        own = [x for x in finished if x.job["case"] == name]
        records = {x.job["seed"]: x.result for x in own if "seed" in x.job}
        model = next((x.result for x in own if x.job.get("model") == SVC), None)
        rows[name] = Results(case, dict(sorted(records.items())), model)
    return rows


def made(experiment: Experiment) -> str:
    """Return how the results were made: commands, versions, machine."""
    lines = dict.fromkeys(
        f"- `{call['command']}`, with {versions_text(call['versions'])}"
        for call in experiment.calls()
    )
    return "\n".join(lines) or "No search has been run yet."


def table(done: Mapping[str, Results]) -> Iterator[str]:
    """Yield the table, a row for each case."""
    yield f"| {' | '.join(HEADS)} |"
    yield f"| --- | --- | ---: | --- | {'---: | ' * 7}".strip()
    for name, x in done.items():
        yield f"| {' | '.join(cells(name, x))} |"


def cells(name: str, x: Results) -> list[str]:
    """Return the row of a case."""
    records, fmt = list(x.records.values()), x.fmt
    better, ties, pairs = x.wins()
    seeds = f" ({len(records)} seed{'s' * (len(records) > 1)})"
    equal = [
        _spread(fmt, [r["equal_seconds"][who] for r in records]) for who in ("agent", "random")
    ]
    sizes = [r["int8_bytes"] for r in records if r["int8_bytes"] is not None]
    return [
        f"{x.case.title}{seeds}",
        fmt.title,
        _spread(fmt, x.tests("kept")),
        _owners(records),
        _whole([r["kept"]["params"] for r in records]),
        _spread(fmt, x.tests("portfolio")),
        sklearn_cell(x),
        ", ".join(equal),
        f"{better} of {pairs}" + f", {ties} ties" * bool(ties) if pairs else "-",
        _whole([r["seconds"] for r in records]),
        _whole(sizes),
    ]


def _spread(fmt: MetricFormat, values: Sequence[float | None]) -> str:
    known = [x for x in values if x is not None]
    return fmt.spread(known) if known else "-"


def _whole(values: Sequence[float]) -> str:
    mean, sd = mean_sd(values) if values else (0.0, 0.0)
    return " ± ".join(f"{x:,.0f}" for x in (mean, sd)[: len(values)]) or "-"


def _owners(records: Sequence[Record]) -> str:
    """Return whose network was kept in how many searches."""
    names = [" ".join(filter(None, (x["kept"]["search"], x["kept"]["reference"]))) for x in records]
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common())


def sklearn_of(x: Results) -> list[Record]:
    """Return scikit-learn's best models: of the searches, or one for all of them."""
    if x.case.images:
        return [] if x.model is None else [x.model]
    return [r["sklearn"] for r in x.records.values() if r["sklearn"] is not None]


def sklearn_cell(x: Results) -> str:
    """Return scikit-learn's best test metric with the names of the models."""
    models = [m for m in sklearn_of(x) if m["test"] is not None]
    names = ", ".join(dict.fromkeys(m["name"] for m in models))
    if not models:
        return "-"
    values = [m["test"] for m in models]
    same = values[:1] if len(set(values)) == 1 else values
    return f"{x.fmt.spread(same)} ({names})"


def won(done: Mapping[str, Results]) -> str:
    """Return how often the searches' own networks won over the portfolio."""
    counts = [x.wins() for x in done.values()]
    better, ties, pairs = (
        (sum(column) for column in zip(*counts, strict=True)) if counts else (0,) * 3
    )
    if not pairs:
        return "No pairs yet."
    equal = f"; {ties} pairs are ties" if ties else ""
    return (
        f"The search's own network won over the portfolio in {better} of {pairs} pairs of search "
        f"seed and training seed (test metric){equal}."
    )


def goals(results: Mapping[str, Results]) -> Iterator[str]:
    """Yield whether each goal is reached, with the numbers."""
    for name, least, text in (
        ("mnist-15k", LEAST_MNIST, "MNIST-15k: at least 98.8 % with fewer than 50,000 parameters"),
        ("digits", LEAST_DIGITS, "Digits: at least 99.0 %"),
    ):
        if name in results:
            yield _goal(text, results[name], partial(accuracy_goal, least=least))
    if "photographs" in results:
        text = "Photographs: the search's own network ahead of the portfolio's best"
        yield _goal(text, results["photographs"], ahead)
    for x in results.values():
        text = f"{x.case.title}: not worse than the portfolio beyond the spread of the seeds"
        yield _goal(text, x, not_worse)
    equal = [
        r["validation_score"]["evaluated"] == r["validation_score"]["exported"]
        for x in results.values()
        for r in x.records.values()
    ]
    text = "The exported score equals the evaluated score exactly"
    count = f"{sum(equal)} of {len(equal)} runs"
    yield f"{text}: {_word(all(equal))} ({count})." if equal else f"{text}: not run yet."


def _goal(text: str, x: Results, reached: Callable[[Results], tuple[bool, str]]) -> str:
    if not x.records:
        return f"{text}: not run yet."
    yes, numbers = reached(x)
    return f"{text}: {_word(yes)} ({numbers})."


def _word(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def accuracy_goal(x: Results, least: float) -> tuple[bool, str]:
    """Return whether the kept networks are accurate, and with MNIST-15k small, enough."""
    mean = fmean(x.tests("kept"))
    numbers = f"{x.fmt.spread(x.tests('kept'))} %"
    if least != LEAST_MNIST:
        return mean >= least, numbers
    most = max(r["kept"]["params"] for r in x.records.values())
    return mean >= least and most < FEWER_THAN, f"{numbers}, at most {most:,} parameters"


def ahead(x: Results) -> tuple[bool, str]:
    """Return whether the own network has a better mean test metric than the portfolio's best."""
    pairs = x.pairs()
    if not pairs:
        return False, "no pairs"
    gain = fmean(own - other for own, other in pairs)
    better, _, count = x.wins()
    numbers = f"{_difference(x.fmt, gain)} in the mean, better in {better} of {count} pairs"
    return x.fmt.sign * gain > 0, numbers


def not_worse(x: Results) -> tuple[bool, str]:
    """Return whether the kept network is not worse than the portfolio's best beyond the spread.

    The spread is the standard deviation over the search seeds, pooled over both networks.
    """
    both = [
        (mean_test(r["kept"]), mean_test(r["portfolio"]))
        for r in x.records.values()
        if r["portfolio"] is not None
    ]
    if not both:
        return False, "the portfolio was not retrained"
    gain = fmean(kept - other for kept, other in both)
    spread = pooled_sd([[kept for kept, _ in both], [other for _, other in both]])
    known = f"spread {x.fmt.number(spread)}" if len(both) > 1 else "spread unknown with one seed"
    numbers = f"{_difference(x.fmt, gain)}, {known}"
    return x.fmt.sign * gain >= -spread, numbers


def _difference(fmt: MetricFormat, gain: float) -> str:
    return f"{fmt.signed(gain)}{' points' if fmt.fraction else '; lower is better'}"


def section(name: str, x: Results) -> str:
    """Return the part of the page about one case."""
    parts = [f"## {x.case.title}", x.case.text]
    if not x.records:
        return "\n\n".join([*parts, f"Not run yet: `python -m scripts.studies cases {name}`."])
    seed, first = next(iter(x.records.items()))
    sizes = ", ".join(f"{size:,}" for size in first["sizes"])
    parts += [
        f"```bash\npython -m scripts.studies.cases.example_data {name} {_data(first)}\n"
        f"{first['command']}\n```",
        f"Training, validation and test split: {sizes} samples. {first['networks']} networks of "
        f"the agent with seed {seed}. {_seconds(first)} The summary of this search says:",
        "\n".join(f"- {line}" for line in first["verdicts"]),
    ]
    if x.model is not None:
        parts.append(_svc(x.model, x.fmt))
    return "\n\n".join(parts)


def _data(record: Record) -> str:
    words = record["command"].split()
    return str(words[words.index("--data") + 1])


def _seconds(record: Record) -> str:
    text = f"The command took {record['seconds']:.0f} s by its own clock"
    if record["resumed"]:
        return f"{text}; it was interrupted and continued."
    return f"{text}, {record['wall_seconds']:.0f} s from start to end of the process."


def _svc(model: Record, fmt: MetricFormat) -> str:
    return (
        f"scikit-learn's {model['name']}, on the pixels of the same training split: "
        f"{model['settings']}, validation {fmt.sentence(model['validation'])}, test "
        f"{fmt.number(model['test'])}{fmt.unit}. It was fitted outside the time "
        "limit of the search."
    )
