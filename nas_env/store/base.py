"""What a store is, and the records that go in and come out."""

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
    """Return the time in UTC to the second, as the store writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class EvaluationKey(NamedTuple):
    """What makes two evaluations the same: a repeat would give the same numbers."""

    candidate_key: str
    fingerprint: str
    budget: str
    training_seed: int

    @classmethod
    def of(cls, candidate: Candidate, fingerprint: str, budget: Budget) -> EvaluationKey:
        """Return the key of a candidate under an evaluator's fingerprint and a budget."""
        return cls(candidate.trained_key, fingerprint, budget.text, budget.training_seed)

    @property
    def kind(self) -> tuple[str, str, int]:
        """Fingerprint, budget and training seed: what evaluations share that compare."""
        return self.fingerprint, self.budget, self.training_seed


@dataclass(frozen=True)
class Record:
    """One evaluation as it is written, with what a reader of the table wants to see beside it."""

    key: EvaluationKey
    candidate: Candidate
    evaluation: Evaluation
    score: float | None = None
    objective: str = ""
    created: str = field(default_factory=now)


@dataclass(frozen=True)
class SearchInfo:
    """What is known of a search when it begins; mappings hold what JSON can hold.

    Attributes:
        agent: Name of the agent.
        settings: Its hyper-parameters.
        environment: Id and options of the environment, and the limits.
        seed: Seed of agent and environment.
        versions: Version of each package that matters.
        git_commit: Commit of the code, empty where it is not known.
        started: When it began, UTC.
        token: Names this search; beginning it twice, as after a lost connection, gives one search.
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
    """A search as the store has it.

    Attributes:
        id: Its number in this store.
        info: What was known when it began.
        ended: When it ended, UTC; None while it runs or goes on, and where its process was killed.
        reason: Why it ended, None as long as `ended` is.
    """

    id: int
    info: SearchInfo
    ended: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Entry:
    """One evaluation in the order of a search.

    Attributes:
        number: Its place, from 1. The first entry of a number stays.
        episode: Number of the episode it belongs to, from 1.
        new: Whether the network was new to this search.
        key: What the evaluation is kept under, also where free answers are kept nowhere else.
        candidate: The network, with the walk that led to it this time.
        evaluation: What came out of it, as this search saw it.
        score: Its score.
        seconds: Charged seconds of the search so far.
        created: When it was entered, UTC.
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
    """Evaluations by key, the searches that asked for them, and a few settings decided once."""

    @abstractmethod
    def get(self, key: EvaluationKey) -> Evaluation | None:
        """Return the evaluation under `key`, or None."""

    @abstractmethod
    def put(self, record: Record, replace: bool = False) -> None:
        """Write a record for good.

        Args:
            record: What is written.
            replace: Whether it takes the place of one with the same key; else the first one stays.
        """

    @abstractmethod
    def records(self, fingerprint: str, budget: Budget) -> Iterator[tuple[Candidate, Evaluation]]:
        """Yield all that was evaluated under a fingerprint and a budget, oldest first."""

    @abstractmethod
    def kinds(self) -> list[Kind]:
        """Return under which fingerprints and budgets there are evaluations, oldest first."""

    def pareto(
        self,
        maximise: Sequence[str] | str = "accuracy",
        minimise: Sequence[str] | str = "params",
        *,
        fingerprint: str | None = None,
        budget: Budget | None = None,
        search: int | None = None,
    ) -> ParetoSet:
        """Return the evaluated networks that no other is better than.

        Failures, and evaluations that lack one of the metrics, are left out and counted.

        Args:
            maximise: Metrics of which more is better, or one.
            minimise: Metrics of which less is better, or one.
            fingerprint: Of the evaluator; needed where the store holds several.
            budget: With its training seed; needed where the store holds several.
            search: Number of a search: the networks that were new to it, as it saw them; also of
                free answers, which are kept nowhere else. None: all evaluations, of any search.

        Raises:
            InvalidSettingError: Evaluations of several kinds would be compared, none is of the kind
                that was named, or no metric or one twice was named.
            UnknownNameError: No evaluation has such a metric; the message lists those there are.
        """
        if search is None:
            kind = only_kind(self.kinds(), fingerprint, budget)
            found = self._of_kind(kind) if kind else ([], _nothing)
        else:
            new = [entry for entry in self.entries(search) if entry.new]
            kind = only_kind(kinds_of(entry.key for entry in new), fingerprint, budget)
            same = [entry for entry in new if kind is not None and entry.key.kind == kind.of_keys]
            found = [entry.evaluation for entry in same], lambda place: same[place].candidate
        return pareto_set(*found, maximise, minimise)

    def _of_kind(self, kind: Kind) -> tuple[list[Evaluation], Callable[[int], Candidate]]:
        """Return evaluations, and what returns the network of a place among them."""
        pairs = list(self.records(kind.fingerprint, kind.budget))
        return [evaluation for _, evaluation in pairs], lambda place: pairs[place][0]

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of evaluations."""

    def __bool__(self) -> bool:
        """Return True: an empty store is a store."""
        return True

    @abstractmethod
    def setting(self, name: str) -> str | None:
        """Return a setting, or None."""

    @abstractmethod
    def set(self, name: str, value: str) -> None:
        """Write a setting; where it is there already, the first value stays."""

    @abstractmethod
    def begin_search(self, info: SearchInfo) -> int:
        """Write that a search begins, and return its number in this store.

        One of the same token goes on: it keeps its number and has not ended any more.
        """

    @abstractmethod
    def enter(self, search: int, *entries: Entry) -> None:
        """Write entries of a search, all in one commit; of each number, the first one stays.

        Raises:
            StoreError: There is no such search.
        """

    @abstractmethod
    def end_search(self, search: int, reason: str) -> None:
        """Write that a search ended, and why; one that was continued may end again.

        Raises:
            StoreError: There is no such search.
        """

    @abstractmethod
    def searches(self) -> list[Search]:
        """Return all searches, oldest first; one that is not `ended` runs or was interrupted."""

    @abstractmethod
    def entries(self, search: int) -> list[Entry]:
        """Return the entries of a search in order; none where there is no such search."""


def kinds_of(keys: Iterable[EvaluationKey]) -> list[Kind]:
    """Return the kinds of evaluations under some keys, in their order."""
    counts = Counter(key.kind for key in keys)
    return [kind_from(*kind, count) for kind, count in counts.items()]


def kind_from(fingerprint: str, budget: str, training_seed: int, evaluations: int) -> Kind:
    """Return the kind of the texts that a key holds."""
    settings = {**json.loads(budget), "training_seed": training_seed}
    return Kind(fingerprint, Budget(**settings), evaluations)


def _nothing(place: int) -> Candidate:
    raise IndexError(place)


def no_search(search: int) -> StoreError:
    """Return the error for a number that `begin_search` never gave."""
    return StoreError(f"Search {search} is not in the store. Give a number that begin_search gave.")
