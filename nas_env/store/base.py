"""The interface of a store, and its records."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

from nas_env.architecture import Candidate
from nas_env.errors import StoreError
from nas_env.evaluation import Budget, Evaluation
from nas_env.store.pareto import Kind, ParetoSet, only_kind, pareto_set


def now() -> str:
    """Return the current UTC time, to the second, in the format of the store."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class EvaluationKey(NamedTuple):
    """The key of an evaluation; equal keys give equal results."""

    candidate_key: str
    fingerprint: str
    budget: str
    training_seed: int

    @classmethod
    def of(cls, candidate: Candidate, fingerprint: str, budget: Budget) -> EvaluationKey:
        """Return the key of a candidate for an evaluator's fingerprint and a budget."""
        return cls(candidate.trained_key, fingerprint, budget.text, budget.training_seed)

    @property
    def kind(self) -> tuple[str, str, int]:
        """Fingerprint, budget and training seed, which comparable evaluations share."""
        return self.fingerprint, self.budget, self.training_seed


@dataclass(frozen=True)
class Record:
    """An evaluation to be stored, with its score and further information."""

    key: EvaluationKey
    candidate: Candidate
    evaluation: Evaluation
    score: float | None = None
    objective: str = ""
    created: str = field(default_factory=now)


@dataclass(frozen=True)
class SearchInfo:
    """The description of a search at its start; mappings contain JSON values.

    Attributes:
        agent: Name of the agent.
        settings: Hyperparameters of the agent.
        environment: Id and options of the environment, and the limits.
        seed: Seed of agent and environment.
        versions: Versions of the relevant packages.
        git_commit: Commit of the code, or empty if unknown.
        started: Start time, UTC.
        token: Unique id of the search. Starting it twice, for example after a lost connection,
            creates only one search.
    """

    agent: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    git_commit: str = ""
    started: str = field(default_factory=now)
    token: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Search:
    """A stored search.

    Attributes:
        id: Number of the search in this store.
        info: The description of the search at its start.
        ended: End time, UTC. None while the search runs, and if its process was killed.
        reason: Reason of the end. None if `ended` is None.
    """

    id: int
    info: SearchInfo
    ended: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Entry:
    """One evaluation in the order of a search.

    Attributes:
        number: Position in the search, from 1. The first entry with a number is kept.
        episode: Number of the episode, from 1.
        new: Whether the network was new to this search.
        key: Key of the evaluation, even if the evaluator is free and its results are not stored.
        candidate: The network, with the walk that led to it this time.
        evaluation: The evaluation that this search received.
        score: Score of the evaluation.
        seconds: Charged seconds of the search so far.
        created: Creation time of the entry, UTC.
    """

    number: int
    episode: int
    new: bool
    key: EvaluationKey
    candidate: Candidate
    evaluation: Evaluation
    score: float
    seconds: float = 0.0
    created: str = field(default_factory=now)


class Store(ABC):
    """Evaluations by key, the searches that requested them, and settings that never change."""

    @abstractmethod
    def get(self, key: EvaluationKey) -> Evaluation | None:
        """Return the evaluation under `key`, or None."""

    @abstractmethod
    def put(self, record: Record, replace: bool = False) -> None:
        """Write a record permanently.

        Args:
            record: The record.
            replace: Whether to replace a record with the same key; otherwise the first is kept.
        """

    @abstractmethod
    def records(self, fingerprint: str, budget: Budget) -> Iterator[tuple[Candidate, Evaluation]]:
        """Yield all evaluations with a fingerprint and a budget, oldest first."""

    @abstractmethod
    def kinds(self) -> list[Kind]:
        """Return the fingerprints and budgets of all evaluations, oldest first."""

    def pareto(
        self,
        maximise: Sequence[str] | str = "accuracy",
        minimise: Sequence[str] | str = "params",
        *,
        fingerprint: str | None = None,
        budget: Budget | None = None,
        search: int | None = None,
    ) -> ParetoSet:
        """Return the Pareto set of the evaluated networks.

        Failures, and evaluations that lack one of the metrics, are excluded and counted.

        Args:
            maximise: One or more metrics for which higher is better.
            minimise: One or more metrics for which lower is better.
            fingerprint: Fingerprint of the evaluator; required if the store contains several.
            budget: Budget with its training seed; required if the store contains several.
            search: Number of a search. Only networks that were new to this search are compared,
                including results of free evaluators, which are not stored otherwise. None: all
                stored evaluations.

        Raises:
            InvalidSettingError: The evaluations are of several kinds, none is of the selected kind,
                no metric is given, or one is given twice.
            UnknownNameError: No evaluation has such a metric; the message lists the known ones.
        """
        if search is None:
            kind = only_kind(self.kinds(), fingerprint, budget)
            selected = self._of_kind(kind) if kind else ([], _nothing)
        else:
            new = [entry for entry in self.entries(search) if entry.new]
            kind = only_kind(kinds_of(entry.key for entry in new), fingerprint, budget)
            same = [entry for entry in new if kind is not None and entry.key.kind == kind.of_keys]
            selected = [entry.evaluation for entry in same], lambda place: same[place].candidate
        return pareto_set(*selected, maximise, minimise)

    def _of_kind(self, kind: Kind) -> tuple[list[Evaluation], Callable[[int], Candidate]]:
        """Return evaluations, and a function that returns the candidate at an index."""
        pairs = list(self.records(kind.fingerprint, kind.budget))
        return [evaluation for _, evaluation in pairs], lambda place: pairs[place][0]

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of evaluations."""

    def __bool__(self) -> bool:
        """Return True, also for an empty store."""
        return True

    @abstractmethod
    def setting(self, name: str) -> str | None:
        """Return a setting, or None."""

    @abstractmethod
    def set(self, name: str, value: str) -> None:
        """Write a setting; an existing value is kept."""

    @abstractmethod
    def begin_search(self, info: SearchInfo) -> int:
        """Record the start of a search, and return its number in this store.

        A search with the same token is continued: it keeps its number and is no longer ended.
        """

    @abstractmethod
    def enter(self, search: int, *entries: Entry) -> None:
        """Write entries of a search in one commit; existing entries with the same number are kept.

        Raises:
            StoreError: There is no such search.
        """

    @abstractmethod
    def end_search(self, search: int, reason: str) -> None:
        """Record the end of a search and its reason; a continued search can end again.

        Raises:
            StoreError: There is no such search.
        """

    @abstractmethod
    def searches(self) -> list[Search]:
        """Return all searches, oldest first; without `ended`, a search runs or was interrupted."""

    @abstractmethod
    def entries(self, search: int) -> list[Entry]:
        """Return the entries of a search in order; empty if there is no such search."""


def kinds_of(keys: Iterable[EvaluationKey]) -> list[Kind]:
    """Return the kinds of the evaluations with these keys, in order."""
    counts = Counter(key.kind for key in keys)
    return [kind_from(*kind, count) for kind, count in counts.items()]


def kind_from(fingerprint: str, budget: str, training_seed: int, evaluations: int) -> Kind:
    """Return the kind for the fields of a key."""
    settings = {**json.loads(budget), "training_seed": training_seed}
    return Kind(fingerprint, Budget(**settings), evaluations)


def _nothing(place: int) -> Candidate:
    raise IndexError(place)


def no_search(search: int) -> StoreError:
    """Return the error for an unknown search number."""
    return StoreError(
        f"Search {search} is not in the store. Use a number that begin_search returned."
    )
