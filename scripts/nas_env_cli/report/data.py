"""The content of a report, read from a run folder and its store; missing values are None."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError
from nas_env.store import Entry, Search, SQLStore
from nas_env.tasks.own_data import DataTask
from nas_env_cli.export.finished import RETRAINED
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.report.phases import Phase, phases_of
from nas_env_cli.search.folder import token_of
from nas_env_cli.search.labels import Labels
from nas_env_cli.search.plan import PORTFOLIO
from nas_env_cli.search.saved_options import read_options

BASELINE = "random"


class TrialRow(TypedDict):
    """One evaluated network of a search."""

    number: int
    new: bool
    score: float
    seconds: float
    ok: bool
    outcome: str
    message: str
    metrics: dict[str, float]
    labels: list[str]
    key: str
    evaluation_seconds: float
    place: int  # networks new to the search so far, including this one


class SearchData(TypedDict):
    """One search: its agent, settings and trials, and measurements from the summary."""

    name: str
    agent: str
    reference: bool
    seed: int
    started: str
    ended: str | None
    reason: str | None
    commit: str
    limits: dict[str, Any]
    objective: str
    metric_format: MetricFormat  # the task's metric
    trials: list[TrialRow]
    phases: list[Phase]
    illegal_share: float | None
    wall_seconds: dict[str, float] | None


class RunData(TypedDict):
    """One run folder: its searches, the agent's first, and its summary."""

    name: str
    agent: str
    task: str
    space: str
    finished: bool
    searches: list[SearchData]
    portfolio: list[SearchData]  # the reference networks as a search; empty if there are none
    verdicts: list[str]
    retrained: list[dict[str, Any]]
    longer: dict[str, Any] | None  # content of `retrained.json`, written by `nas-env retrain`
    sklearn: dict[str, Any] | None  # models of scikit-learn for comparison
    candidates: dict[str, dict[str, Any]]  # the networks by key, as JSON
    about: str  # description of own data; "" for other tasks


def open_store(run: Path) -> SQLStore:
    """Return the store of a run folder.

    Raises:
        InvalidSettingError: The search has no store yet.
        StoreError: The store cannot be opened.
    """
    elsewhere = read_options(run)["store"]
    if elsewhere is None and not (run / "store.sqlite").is_file():
        raise InvalidSettingError(
            f"{run} has no store yet: its search has evaluated nothing. Try again later."
        )
    return SQLStore(elsewhere or run / "store.sqlite")


def searches_of(run: Path, store: SQLStore, *more: str) -> list[Search]:
    """Return the searches of a run folder from its store: the agent's, random search, others.

    Args:
        run: The run folder.
        store: Its store.
        more: Names of further searches.
    """
    agent = read_options(run)["agent"]
    by_token = {search.info.token: search for search in store.searches()}
    tokens = [token_of(run, name) for name in dict.fromkeys((agent, BASELINE, *more))]
    return [by_token[token] for token in tokens if token in by_token]


def read_run(run: Path, env: NASEnv, name: str | None = None) -> RunData:
    """Return the content of a report about a run.

    Args:
        run: The folder of a search, which may still run.
        env: An environment with its space and task.
        name: Name in the report; None: the name of the folder.

    Raises:
        InvalidSettingError: The folder has no search, or nothing was evaluated yet.
    """
    store = open_store(run)
    try:
        stored = searches_of(run, store, PORTFOLIO)
        every = [(search, store.entries(search.id)) for search in stored]
    finally:
        store.close()
    searches = [x for x in every if x[0].info.agent != PORTFOLIO]
    portfolio = [x for x in every if x[0].info.agent == PORTFOLIO]
    if not any(entries for _, entries in searches):  # there was time for the portfolio only
        searches, portfolio = portfolio, []
    if not any(entries for _, entries in searches):
        raise InvalidSettingError(f"No network was evaluated yet in {run}. Try again later.")
    agent, summary = read_options(run)["agent"], _json(run / "summary.json")
    how = agent, Labels(env.space), summary, MetricFormat.of(env.task.spec)
    return RunData(
        name=name or run.resolve().name,
        agent=agent,
        task=env.task.spec.name,
        space=env.space.name,
        finished=bool(summary),
        searches=[_search(search, entries, *how) for search, entries in searches if entries],
        portfolio=[_search(search, entries, *how) for search, entries in portfolio if entries],
        verdicts=[*summary.get("notes", ()), *summary.get("verdicts", ())],
        retrained=list(summary.get("retrained", ())),
        longer=_json(run / RETRAINED) or None,
        sklearn=summary.get("sklearn"),
        candidates={x.candidate.key: x.candidate.to_json() for _, xs in every for x in xs},
        about=_about(env.task),
    )


def _about(task: Any) -> str:
    """Return the description of own data without the path of their folder, to share the page."""
    if not isinstance(task, DataTask):
        return ""
    return replace(task.summary, source=Path(task.summary.source).name).text()


def _json(file: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty if the file is missing."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _search(
    search: Search,
    entries: Sequence[Entry],
    agent: str,
    labels: Labels,
    summary: dict[str, Any],
    fmt: MetricFormat,
) -> SearchData:
    info, entry = search.info, summary.get("searches", {}).get(search.info.agent, {})
    trials = _trials(entries, labels)
    limits = dict(info.environment.get("limits", {}))
    return SearchData(
        name=info.agent,
        agent=info.agent,
        reference=info.agent == BASELINE and info.agent != agent,
        seed=info.seed,
        started=info.started,
        ended=search.ended,
        reason=search.reason,
        commit=info.git_commit,
        limits=limits,
        objective=str(info.environment.get("objective", "")),
        metric_format=fmt,
        trials=trials,
        phases=phases_of([(x["place"], x["seconds"]) for x in trials], limits, info.settings),
        illegal_share=entry.get("illegal_share"),
        wall_seconds=entry.get("wall_seconds"),
    )


def _trials(entries: Sequence[Entry], labels: Labels) -> list[TrialRow]:
    rows: list[TrialRow] = []
    place = 0
    for entry in entries:
        place += entry.new
        evaluation = entry.evaluation
        rows.append(
            TrialRow(
                number=entry.number,
                new=entry.new,
                score=entry.score,
                seconds=entry.seconds,
                ok=evaluation.ok,
                outcome=str(evaluation.outcome),
                message=evaluation.message,
                metrics=dict(evaluation.metrics),
                labels=labels.of(entry.candidate.walk),
                key=entry.candidate.key,
                evaluation_seconds=evaluation.seconds,
                place=place,
            )
        )
    return rows


def best_trials(search: SearchData, count: int) -> list[TrialRow]:
    """Return the best distinct networks of a search, best first; earlier ones win ties."""
    best: dict[str, TrialRow] = {}
    for trial in sorted(search["trials"], key=lambda x: (-x["score"], x["number"])):
        if trial["ok"]:
            best.setdefault(trial["key"], trial)
    return list(best.values())[:count]


def new_trials(search: SearchData) -> list[TrialRow]:
    """Return the trials of networks that were new to the search."""
    return [trial for trial in search["trials"] if trial["new"]]
