"""A store in a database: a SQLite file, or PostgreSQL for many machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError, StoreError
from nas_env.evaluation import Budget, Evaluation
from nas_env.store.base import (
    Entry,
    EvaluationKey,
    Record,
    Search,
    SearchInfo,
    Store,
    kind_from,
    no_search,
    now,
)
from nas_env.store.database import Database
from nas_env.store.pareto import Kind
from nas_env.store.rows import (
    entry_from,
    evaluation_row,
    search_from,
    search_row,
    trial_row,
)
from nas_env.store.schema import EVALUATIONS, KEY, SEARCHES, SETTINGS, TRIALS

PATIENCE = 300.0
GET = select(EVALUATIONS.c.evaluation).where(
    and_(*(EVALUATIONS.c[name] == bindparam(name) for name in KEY))
)


class SQLStore(Store):
    """A store in a database; writes are committed before a method returns.

    Args:
        url: Path of a SQLite file (created if it does not exist), or an SQLAlchemy URL of SQLite or
            PostgreSQL.
        patience: Seconds to wait for a database that is locked or unreachable.

    Raises:
        StoreError: The database cannot be opened, or has another schema version.
        MissingDependencyError: The driver of PostgreSQL is not installed.
        InvalidSettingError: The patience is negative.
    """

    def __init__(self, url: str | Path, patience: float = PATIENCE) -> None:
        if isinstance(patience, bool) or not patience >= 0:
            raise InvalidSettingError(
                f"patience must be a number of seconds >= 0, got {patience!r}. Use 0 not to wait."
            )
        self.database = Database(url, patience)
        self.url = self.database.url

    def get(self, key: EvaluationKey) -> Evaluation | None:
        """Return the evaluation under `key`, or None."""
        values = key._asdict()
        text = self.database.read(lambda connection: connection.execute(GET, values).scalar())
        return None if text is None else _evaluation(text)

    def put(self, record: Record, replace: bool = False) -> None:
        """Commit a record; if the key exists, the first record is kept or replaced."""
        row = evaluation_row(record)

        def work(connection: Connection) -> None:
            if replace:
                _keep_for_trials(connection, record.key)
            self._insert(connection, EVALUATIONS, KEY, row, replace)

        self.database.write(work)

    def records(self, fingerprint: str, budget: Budget) -> Iterator[tuple[Candidate, Evaluation]]:
        """Yield all evaluations with a fingerprint and a budget, oldest first."""
        for candidate, evaluation in self._texts(fingerprint, budget):
            yield _candidate(candidate), _evaluation(evaluation)

    def _of_kind(self, kind: Kind) -> tuple[list[Evaluation], Callable[[int], Candidate]]:
        """Return evaluations, and a function that returns the candidate at an index."""
        texts = self._texts(kind.fingerprint, kind.budget)  # most candidates are never requested
        return [_evaluation(x[1]) for x in texts], lambda place: _candidate(texts[place][0])

    def _texts(self, fingerprint: str, budget: Budget) -> Sequence[Any]:
        """Return networks and evaluations as they are stored, oldest first."""
        columns = EVALUATIONS.c
        query = select(columns.candidate, columns.evaluation).where(
            columns.fingerprint == fingerprint,
            columns.budget == budget.text,
            columns.training_seed == budget.training_seed,
        )
        ordered = query.order_by(columns.id)
        return self.database.read(lambda connection: connection.execute(ordered).all())

    def kinds(self) -> list[Kind]:
        """Return the fingerprints and budgets of all evaluations, oldest first."""
        same = [EVALUATIONS.c[name] for name in KEY if name != "candidate_key"]
        query = select(*same, func.count()).group_by(*same).order_by(func.min(EVALUATIONS.c.id))
        rows = self.database.read(lambda connection: connection.execute(query).all())
        return [kind_from(*row[:3], evaluations=row[3]) for row in rows]

    def __len__(self) -> int:
        query = select(func.count()).select_from(EVALUATIONS)
        return self.database.read(lambda connection: connection.execute(query).scalar_one())

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of the table `evaluations`, oldest first."""
        query = select(EVALUATIONS).order_by(EVALUATIONS.c.id)
        rows = self.database.read(lambda connection: connection.execute(query).mappings().all())
        return [dict(row) for row in rows]

    def setting(self, name: str) -> str | None:
        """Return a setting, or None."""
        query = select(SETTINGS.c.value).where(SETTINGS.c.name == name)
        return self.database.read(lambda connection: connection.execute(query).scalar())

    def set(self, name: str, value: str) -> None:
        """Commit a setting; an existing value is kept."""
        row = {"name": name, "value": value}
        self.database.write(lambda c: self._insert(c, SETTINGS, ("name",), row))

    def begin_search(self, info: SearchInfo) -> int:
        """Commit the start or continuation of a search, and return its number in this store."""
        same = SEARCHES.c.token == info.token
        query = select(SEARCHES.c.id).where(same)
        goes_on = update(SEARCHES).where(same).values(ended=None, reason=None)

        def work(connection: Connection) -> int:
            self._insert(connection, SEARCHES, ("token",), search_row(info))
            connection.execute(goes_on)
            return int(connection.execute(query).scalar_one())

        return self.database.write(work)

    def enter(self, search: int, *entries: Entry) -> None:
        """Commit entries of a search together; existing entries with the same number are kept."""

        def work(connection: Connection) -> None:
            for entry in entries:
                stored = _stored(connection, entry.key)
                row = trial_row(search, entry, stored)
                self._insert(connection, TRIALS, ("search", "number"), row)

        try:
            self.database.write(work)
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError) and not self._has(search):
                raise no_search(search) from error
            raise

    def end_search(self, search: int, reason: str) -> None:
        """Commit the end of a search and its reason."""
        query = update(SEARCHES).where(SEARCHES.c.id == search).values(ended=now(), reason=reason)
        if not self.database.write(lambda connection: connection.execute(query).rowcount):
            raise no_search(search)

    def searches(self) -> list[Search]:
        """Return all searches, oldest first."""
        query = select(SEARCHES).order_by(SEARCHES.c.id)
        rows = self.database.read(lambda connection: connection.execute(query).mappings().all())
        return [search_from(row) for row in rows]

    def entries(self, search: int) -> list[Entry]:
        """Return the entries of a search in order."""
        columns, stored = TRIALS.c, EVALUATIONS.c
        same = and_(*(columns[name] == stored[name] for name in KEY))
        query = (
            select(
                *(x for x in columns if x.name not in ("candidate", "evaluation")),
                func.coalesce(columns.candidate, stored.candidate).label("candidate"),
                func.coalesce(columns.evaluation, stored.evaluation).label("evaluation"),
            )
            .select_from(TRIALS.outerjoin(EVALUATIONS, same))
            .where(columns.search == search)
            .order_by(columns.number)
        )
        rows = self.database.read(lambda connection: connection.execute(query).mappings().all())
        return [entry_from(row) for row in rows]

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def _has(self, search: int) -> bool:
        query = select(SEARCHES.c.id).where(SEARCHES.c.id == search)
        return self.database.read(lambda connection: connection.execute(query).first()) is not None

    def _insert(
        self,
        connection: Connection,
        table: Table,
        unique: tuple[str, ...],
        row: dict[str, Any],
        replace: bool = False,
    ) -> None:
        """Insert a row; an existing row is kept, or with `replace` updated under the same id."""
        module: Any = postgresql if self.database.dialect == "postgresql" else sqlite
        insert = module.insert(table).inline()
        if replace:
            new = {name: insert.excluded[name] for name in row if name not in unique}
            insert = insert.on_conflict_do_update(index_elements=unique, set_=new)
        else:
            insert = insert.on_conflict_do_nothing(index_elements=unique)
        connection.execute(insert, row)

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "patience": self.database.patience}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _candidate(text: str) -> Candidate:
    return Candidate.from_json(json.loads(text))


def _evaluation(text: str) -> Evaluation:
    return Evaluation.from_json(json.loads(text))


def _under(table: Table, key: EvaluationKey) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in key._asdict().items()))


def _stored(connection: Connection, key: EvaluationKey, replacing: bool = False) -> Any:
    """Return candidate and evaluation with a key as texts, locked until the commit."""
    query = select(EVALUATIONS.c.candidate, EVALUATIONS.c.evaluation)
    query = query.where(_under(EVALUATIONS, key)).with_for_update(read=not replacing)
    return connection.execute(query).one_or_none()


def _keep_for_trials(connection: Connection, key: EvaluationKey) -> None:
    """Copy an evaluation into the trials that refer to it before it is replaced."""
    stored = _stored(connection, key, replacing=True)
    if stored is None:
        return
    for name, value in stored._mapping.items():
        own = TRIALS.c[name]
        query = update(TRIALS).where(_under(TRIALS, key), own.is_(None)).values({name: value})
        connection.execute(query)
