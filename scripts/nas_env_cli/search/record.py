"""The record of a search in the store: agent, environment, and every trial in order."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import gymnasium

from nas_env.store import Entry, EvaluationKey, SearchInfo, Store
from nas_env.wrappers import Limits, TrackSearch, Trial
from nas_env_agents.common.base import AGENTS, settings_of
from nas_env_cli.search.provenance import versions

logger = logging.getLogger(__name__)


class SearchRecord:
    """Writes a search into the store of its environment while it runs.

    A resumed search has the same token and therefore one record: existing entries stay. An agent
    that runs again with the same seed and a full store repeats its trials.

    Args:
        tracker: Counts the trials of the search.
        info: Agent, environment, seed and versions.
        store: The store to write to; None: the store of the environment.

    Attributes:
        entries: Trials recorded by an earlier process.
    """

    def __init__(self, tracker: TrackSearch, info: SearchInfo, store: Store | None = None) -> None:
        inner: Any = tracker.unwrapped
        self.tracker = tracker
        self.store: Store = inner.store if store is None else store
        self.search = self.store.begin_search(info)
        self.entries = self.store.entries(self.search)
        self._written = 0
        self._same = True

    def catch_up(self) -> None:
        """Write the new trials in one commit."""
        late = self.tracker.trials[self._written :]
        entries = [self._entry(number, x) for number, x in enumerate(late, self._written + 1)]
        already_stored = max(0, len(self.entries) - self._written)
        for entry, before in zip(entries, self.entries[self._written :], strict=False):
            self._compare(entry, before)
        if entries[already_stored:]:
            self.store.enter(self.search, *entries[already_stored:])
        self._written += len(entries)

    def end(self, reason: str) -> None:
        """Write why the search ended."""
        self.store.end_search(self.search, reason)

    def _entry(self, number: int, trial: Trial) -> Entry:
        inner: Any = self.tracker.unwrapped
        fingerprint, budget = inner.evaluator.fingerprint, inner.episode_budget
        return Entry(
            number=number,
            episode=trial.episode,
            new=trial.new,
            key=EvaluationKey.of(trial.candidate, fingerprint, budget),
            candidate=trial.candidate,
            evaluation=trial.evaluation,
            score=trial.score,
            seconds=trial.seconds,
        )

    def _compare(self, entry: Entry, before: Entry) -> None:
        """Warn once if a resumed search differs from its record."""
        if self._same and (entry.key, entry.candidate) != (before.key, before.candidate):
            self._same = False
            logger.warning(
                "Trial %d of search %d differs from the recorded trial before the interruption, "
                "which is kept. Schedules that follow the clock and repeated evaluations of "
                "failures can cause this.",
                entry.number,
                self.search,
            )


def describe(
    agent: str,
    env: gymnasium.Env[Any, Any],
    limits: Limits,
    seed: int,
    settings: Mapping[str, Any],
    token: str | None = None,
) -> SearchInfo:
    """Return agent, environment, seed and versions of a search."""
    inner: Any = env.unwrapped
    packages = versions()
    commit = packages.pop("commit")
    spec = env.spec
    if agent in AGENTS:
        settings = settings_of(agent, spec.id if spec else "default", settings)
    return SearchInfo(
        agent=agent,
        settings=plain(settings),
        environment=plain(
            {
                "id": spec.id if spec else type(inner).__name__,
                "options": _without_password(spec.kwargs) if spec else {},
                "budget": inner.budget.to_json(),
                "objective": inner.objective.describe(),
                "fingerprint": inner.evaluator.fingerprint,
                "limits": asdict(limits),
            }
        ),
        seed=seed,
        versions=packages,
        git_commit="" if commit == "unknown" else commit,
        token=token or uuid4().hex,
    )


def _without_password(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an environment without the password of its store."""
    store = options.get("store")
    if not isinstance(store, str):
        return dict(options)
    from nas_env.store.database import shown

    return {**options, "store": shown(store)}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as plain JSON data; an object becomes its name or its class name."""
    text = json.dumps(values, default=lambda x: str(getattr(x, "name", None) or type(x).__name__))
    return json.loads(text)  # type: ignore[no-any-return]
