"""A running search as a table for the terminal, read from its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas_env.markup import printable
from nas_env.store import Entry, Search
from nas_env.tasks.own_data import METRICS
from nas_env_cli.metric_format import MetricFormat, ending
from nas_env_cli.report.data import BASELINE, open_store, searches_of
from nas_env_cli.search.plan import PORTFOLIO
from nas_env_cli.search.saved_options import read_options

RECENT = 20
LATEST = 8
LONGEST = 60  # characters of the message of a failure
LiveSearches = list[tuple[Search, list[Entry]]]


def read_live(run: Path) -> LiveSearches:
    """Return the searches of a run and their entries so far.

    Raises:
        InvalidSettingError: The folder has no search, or its search has no store yet.
        StoreError: The store cannot be opened.
    """
    store = open_store(run)
    try:
        stored = searches_of(run, store, PORTFOLIO)
        return [(search, store.entries(search.id)) for search in stored]
    finally:
        store.close()


def is_over(run: Path, searches: LiveSearches) -> bool:
    """Return whether the search and its random baseline have ended, or were interrupted."""
    options = read_options(run)
    expected = {options["agent"]} | (
        {BASELINE} if options.get("compare", "random") == "random" else set()
    )
    ended = {search.info.agent: search.reason for search, _ in searches if search.ended is not None}
    none_runs = len(ended) == len(searches)
    return none_runs and (ended.keys() >= expected or "interrupted" in ended.values())


def view(run: Path, searches: LiveSearches) -> RenderableType:
    """Return the table of the searches, and the latest networks of the running search."""
    running = [pair for pair in searches if pair[0].ended is None] or searches[-1:]
    parts: list[RenderableType] = [_searches(run, searches)]
    parts += [Text(f"  {_state(search, entries)}") for search, entries in searches]
    fmt = _metric_format(read_options(run))
    parts += [_latest(search, entries, fmt) for search, entries in running if entries]
    return Group(*parts)


def _searches(run: Path, searches: LiveSearches) -> Table:
    table = Table(title=Text(f"Search in {run}"), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("search", overflow="fold")
    table.add_column("networks", justify="right", no_wrap=True)
    table.add_column("")
    for name in ("best", "last 20", "failed", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for search, entries in searches:
        table.add_row(*_row(search, entries))
    if not searches:
        table.add_row("no search has begun yet")
    return table


def _row(search: Search, entries: Sequence[Entry]) -> list[RenderableType]:
    new = [entry for entry in entries if entry.new]
    limit = (search.info.environment.get("limits") or {}).get("evaluations")
    failed = sum(not entry.evaluation.ok for entry in new)
    recent, best = [entry.score for entry in entries[-RECENT:]], _best(new)
    bar: Any = ProgressBar(total=limit, completed=len(new), width=8) if limit else ""
    return [
        Text(search.info.agent),
        f"{len(new)}/{limit}" if limit else str(len(new)),
        bar,
        "-" if best is None else f"{best:.4f}",
        f"{np.mean(recent):.4f}" if recent else "-",
        str(failed),
        f"{entries[-1].seconds:.0f}" if entries else "-",
    ]


def _state(search: Search, entries: Sequence[Entry]) -> str:
    """Return why a search ended, or the age of its last network."""
    repeats = sum(not entry.new for entry in entries)
    name = f"{search.info.agent}: {repeats} repeats"
    if search.ended is not None:
        return f"{name}, ended ({search.reason})"
    last = entries[-1].created if entries else search.info.started
    silent = (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds()
    return f"{name}, running, last network {max(0.0, silent):.0f} s ago"


def _best(entries: Sequence[Entry]) -> float | None:
    """Return the best score of the networks that did not fail; None if all failed."""
    return max((entry.score for entry in entries if entry.evaluation.ok), default=None)


def _outcome(entry: Entry, best: bool) -> str:
    """Return the outcome of an evaluation on one line."""
    words = ending(entry.evaluation)
    if not entry.evaluation.ok and (message := " ".join(entry.evaluation.message.split())):
        cut = message if len(message) <= LONGEST else f"{message[:LONGEST]}..."
        words += f": {printable(cut)}"
    return words + ("" if entry.new else ", repeat") + (", best so far" if best else "")


def _metric_format(options: Mapping[str, Any]) -> MetricFormat:
    """Return the format of the metric of a search, from its options."""
    metric = options.get("metric") or "accuracy"
    return MetricFormat(metric, metric not in METRICS["regression"])


def _latest(search: Search, entries: Sequence[Entry], fmt: MetricFormat) -> Table:
    title = Text(f"Latest networks of {search.info.agent}")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("number", "score", fmt.words, "parameters", "seconds", "outcome"):
        table.add_column(name, justify="left" if name == "outcome" else "right")
    top = _best(entries)
    for entry in reversed(entries[-LATEST:]):
        metrics = entry.evaluation.metrics
        value = metrics.get(fmt.metric)
        best = entry.evaluation.ok and entry.score == top
        style = "bold" if best else "" if entry.evaluation.ok else "yellow"
        table.add_row(
            str(entry.number),
            f"{entry.score:.4f}" if entry.evaluation.ok else "-",
            "-" if value is None else f"{fmt.number(value)}{fmt.unit}",
            f"{metrics['params']:,.0f}" if "params" in metrics else "-",
            f"{entry.evaluation.seconds:.1f}",
            Text(_outcome(entry, best)),
            style=style,
        )
    return table
