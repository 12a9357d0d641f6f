"""Show the Pareto set of the networks that one or several searches evaluated.

Example: nas-env pareto runs/mine --metrics accuracy params
"""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.store import Entry, EvaluationKey, ParetoSet
from nas_env.store.pareto import pareto_set
from nas_env_cli.interrupts import exit_code
from nas_env_cli.report.data import open_store, searches_of

LESS = ("loss", "error", "params", "macs", "bytes", "latency", "energy", "seconds", "_ms", "_mj")
DATA, PICTURES = (".csv", ".json"), (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Options:
    """Show the Pareto set of the networks that one or several searches evaluated.

    A network is in the Pareto set if no other network is at least as good in all metrics and better
    in one.
    Example: nas-env pareto runs/mine --metrics accuracy params --output pareto.csv
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of searches."""
    metrics: tuple[str, ...] = ("accuracy", "params")
    """Metrics of the evaluations. Losses, errors and costs are minimised, others maximised, unless
    given as NAME:min or NAME:max."""
    output: Path | None = None
    """Output file: .csv, .json (with the architectures), or a plot as .png, .svg, .pdf."""


@dataclass(frozen=True)
class EvaluatedNetwork:
    """An evaluated network, its run folder and its agent."""

    run: Path
    agent: str
    entry: Entry


def run(options: Options) -> int:
    """Print the set, write the file, and return the exit code.

    Raises:
        InvalidSettingError: There is no run, a metric is unknown, or the file has another suffix.
        IncompatibleError: The runs differ in task, evaluator or budget.
    """
    if not options.runs:
        raise InvalidSettingError("No run is given. Give the --output folder of a search.")
    check_output(options.output, len(options.metrics))
    networks = [x for path in options.runs for x in evaluations_of(path)]
    check_comparable(networks)
    networks = distinct(networks)
    maximise, minimise = directions(options.metrics)
    evaluations = [x.entry.evaluation for x in networks]
    pareto = pareto_set(evaluations, lambda x: networks[x].entry.candidate, maximise, minimise)
    rows = rows_of(pareto, networks)
    print(table(pareto, rows))
    if options.output is not None:
        write(options.output, pareto, rows, networks)
        print(f"Written: {options.output}")
    return 0


def evaluations_of(path: Path) -> list[EvaluatedNetwork]:
    """Return the networks that were new to the searches of a run, in order.

    Raises:
        InvalidSettingError: The folder has no search, or nothing was evaluated yet.
    """
    store = open_store(path)
    try:
        return [
            EvaluatedNetwork(path, search.info.agent, entry)
            for search in searches_of(path, store)
            for entry in store.entries(search.id)
            if entry.new
        ]
    finally:
        store.close()


def distinct(networks: Sequence[EvaluatedNetwork]) -> list[EvaluatedNetwork]:
    """Return the first evaluation of each network; isomorphic table entries may differ."""
    first: dict[Any, EvaluatedNetwork] = {}
    for x in networks:
        metrics = tuple(sorted(x.entry.evaluation.metrics.items()))
        first.setdefault((x.entry.candidate.key, metrics), x)
    return list(first.values())


def check_comparable(networks: Sequence[EvaluatedNetwork]) -> None:
    """Check that all evaluations are comparable.

    Raises:
        IncompatibleError: They differ in task, evaluator or budget.
    """
    first: dict[tuple[str, str], Path] = {}
    for x in networks:
        first.setdefault(kind_of(x.entry.key), x.run)
    if len(first) > 1:
        (_, one), (_, other) = list(first.items())[:2]
        raise IncompatibleError(
            f"Evaluations of {one} and {other} differ in task, evaluator or budget, so they are "
            "not comparable. Give runs that share them."
        )


def kind_of(key: EvaluationKey) -> tuple[str, str]:
    """Return the parts of a key that comparable evaluations share."""
    return key.fingerprint, key.budget  # the training seed may differ


def directions(metrics: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the metrics to maximise and those to minimise.

    Raises:
        InvalidSettingError: The text after a colon is neither "min" nor "max".

    Example:
        >>> directions(["accuracy", "params", "reward:min"])
        (['accuracy'], ['params', 'reward'])
    """
    maximise: list[str] = []
    minimise: list[str] = []
    for text in metrics:
        name, colon, direction = text.partition(":")
        if colon and direction not in ("min", "max"):
            raise InvalidSettingError(
                f"Metric {text!r} must end with :min or :max, or have no colon."
            )
        less = direction == "min" or (not colon and any(x in name for x in LESS))
        (minimise if less else maximise).append(name)
    return maximise, minimise


def rows_of(pareto: ParetoSet, networks: Sequence[EvaluatedNetwork]) -> list[dict[str, Any]]:
    """Return a row for each network of the set: metrics, run, agent, number and key."""
    found_by = {id(x.entry.candidate): x for x in networks}  # two searches may find one network
    rows: list[dict[str, Any]] = []
    for member in pareto.members:
        x = found_by[id(member.candidate)]
        origin = {"run": str(x.run), "agent": x.agent, "number": x.entry.number}
        rows.append({**member.values, **origin, "key": member.candidate.key})
    return rows


def table(pareto: ParetoSet, rows: Sequence[dict[str, Any]]) -> str:
    """Return the set as text, sorted by the first metric, best first."""
    heads = [f"{name} ({'max' if name in pareto.maximise else 'min'})" for name in pareto.names]
    lines = [[*heads, "agent", "number", "run"]]
    for row in rows:
        values = [f"{row[name]:,.6g}" for name in pareto.names]
        lines.append([*values, row["agent"], str(row["number"]), row["run"]])
    widths = [max(len(line[x]) for line in lines) for x in range(len(lines[0]))]
    text = ["  ".join(x.ljust(n) for x, n in zip(line, widths, strict=True)) for line in lines]
    omitted = f"; {pareto.failed} failed" if pareto.failed else ""
    omitted += f"; {pareto.lacking} lack a metric" if pareto.lacking else ""
    counted = f"{len(rows)} of {pareto.compared} networks{omitted}."
    return "\n".join([*(line.rstrip() for line in text), "", counted])


def check_output(path: Path | None, metrics: int) -> None:
    """Check the output file before anything is read.

    Raises:
        InvalidSettingError: The suffix is unknown, or a plot is requested without two metrics.
    """
    if path is None:
        return
    if path.suffix not in DATA + PICTURES:
        raise InvalidSettingError(
            f"Option --output {path} must end with one of {', '.join(DATA + PICTURES)}."
        )
    if path.suffix in PICTURES and metrics != 2:
        raise InvalidSettingError(
            f"A plot needs two metrics, got {metrics}. Give two, or write .csv or .json."
        )


def write(
    path: Path,
    pareto: ParetoSet,
    rows: Sequence[dict[str, Any]],
    networks: Sequence[EvaluatedNetwork],
) -> None:
    """Write the set as data or as a plot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*pareto.names, "run", "agent", "number", "key"])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        full = [
            {**row, "candidate": member.candidate.to_json()}
            for row, member in zip(rows, pareto.members, strict=True)
        ]
        path.write_text(json.dumps(full, indent=2), encoding="utf-8")
    else:
        draw(path, pareto, networks)


def draw(path: Path, pareto: ParetoSet, networks: Sequence[EvaluatedNetwork]) -> None:
    """Write a plot of all networks, with the set as a step curve."""
    from matplotlib.figure import Figure

    up, across = pareto.names[0], pareto.names[1]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    metrics = [x.entry.evaluation.metrics for x in networks if x.entry.evaluation.ok]
    points = [(x[across], x[up]) for x in metrics if across in x and up in x]
    horizontal, vertical = zip(*points, strict=True)
    axes.scatter(horizontal, vertical, s=12, color="0.7", label="evaluated")
    members = sorted((x.values[across], x.values[up]) for x in pareto.members)
    axes.plot(*zip(*members, strict=True), "o-", drawstyle="steps-post", label="Pareto set")
    axes.set(xlabel=across, ylabel=up)
    if across in pareto.minimise and min(x for x, _ in points) > 0:
        axes.set_xscale("log")
    axes.legend()
    figure.savefig(path, dpi=150)


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    options = tyro.cli(Options, args=arguments, prog="nas-env pareto", description=description)
    return exit_code(partial(run, options))
