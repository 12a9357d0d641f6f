"""A store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.store.base import (
    Entry,
    EvaluationKey,
    Record,
    Search,
    SearchInfo,
    Store,
    kinds_of,
    no_search,
    now,
)
from nas_env.store.pareto import Kind


class MemoryStore(Store):
    """A store in the memory of this process; writes no file."""

    def __init__(self) -> None:
        self._records: dict[EvaluationKey, Record] = {}
        self._settings: dict[str, str] = {}
        self._searches: list[Search] = []
        self._entries: list[dict[int, Entry]] = []

    def get(self, key: EvaluationKey) -> Evaluation | None:
        """Return the evaluation under `key`, or None."""
        record = self._records.get(key)
        return None if record is None else record.evaluation

    def put(self, record: Record, replace: bool = False) -> None:
        """Store a record; if the key exists, the first record is kept or replaced."""
        if replace:
            self._records[record.key] = record
        self._records.setdefault(record.key, record)

    def records(self, fingerprint: str, budget: Budget) -> Iterator[tuple[Candidate, Evaluation]]:
        """Yield all evaluations with a fingerprint and a budget, oldest first."""
        for record in list(self._records.values()):
            if EvaluationKey.of(record.candidate, fingerprint, budget) == record.key:
                yield record.candidate, record.evaluation

    def kinds(self) -> list[Kind]:
        """Return the fingerprints and budgets of all evaluations, oldest first."""
        return kinds_of(list(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def setting(self, name: str) -> str | None:
        """Return a setting, or None."""
        return self._settings.get(name)

    def set(self, name: str, value: str) -> None:
        """Store a setting; an existing value is kept."""
        self._settings.setdefault(name, value)

    def begin_search(self, info: SearchInfo) -> int:
        """Record the start or continuation of a search, and return its number in this store."""
        for place, search in enumerate(self._searches):
            if search.info.token == info.token:
                self._searches[place] = changed(search, ended=None, reason=None)
                return search.id
        self._searches.append(Search(len(self._searches) + 1, info))
        self._entries.append({})
        return len(self._searches)

    def enter(self, search: int, *entries: Entry) -> None:
        """Store entries of a search; existing entries with the same number are kept."""
        if not 1 <= search <= len(self._searches):
            raise no_search(search)
        for entry in entries:
            self._entries[search - 1].setdefault(entry.number, entry)

    def end_search(self, search: int, reason: str) -> None:
        """Record the end of a search and its reason."""
        if not 1 <= search <= len(self._searches):
            raise no_search(search)
        ended = changed(self._searches[search - 1], ended=now(), reason=reason)
        self._searches[search - 1] = ended

    def searches(self) -> list[Search]:
        """Return all searches, oldest first."""
        return list(self._searches)

    def entries(self, search: int) -> list[Entry]:
        """Return the entries of a search in order."""
        if not 1 <= search <= len(self._searches):
            return []
        return [entry for _, entry in sorted(self._entries[search - 1].items())]
