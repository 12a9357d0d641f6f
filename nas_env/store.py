"""Every evaluation ever made: in memory, or in SQL (a SQLite file, or any SQLAlchemy URL)."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_env.architecture import Candidate, canonical_json
from nas_env.errors import StoreError
from nas_env.evaluation import Budget, Evaluation

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table

SCHEMA_VERSION = 2
METRICS = ("accuracy", "loss", "params", "macs", "activation_bytes")  # each has a column


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


@dataclass(frozen=True)
class Record:
    """One evaluation as it is written, with what a reader of the table wants to see beside it."""

    key: EvaluationKey
    candidate: Candidate
    evaluation: Evaluation
    score: float | None = None
    objective: str = ""
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class Store(ABC):
    """Evaluations by key, and a few settings that were decided once."""

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


class MemoryStore(Store):
    """A store that lives and dies with the process; writes no file."""

    def __init__(self) -> None:
        self._records: dict[EvaluationKey, Record] = {}
        self._settings: dict[str, str] = {}

    def get(self, key: EvaluationKey) -> Evaluation | None:
        """Return the evaluation under `key`, or None."""
        record = self._records.get(key)
        return None if record is None else record.evaluation

    def put(self, record: Record, replace: bool = False) -> None:
        """Keep a record; where the key is there already, the first one stays or is replaced."""
        if replace:
            self._records[record.key] = record
        self._records.setdefault(record.key, record)

    def records(self, fingerprint: str, budget: Budget) -> Iterator[tuple[Candidate, Evaluation]]:
        """Yield all that was evaluated under a fingerprint and a budget, oldest first."""
        for record in self._records.values():
            if EvaluationKey.of(record.candidate, fingerprint, budget) == record.key:
                yield record.candidate, record.evaluation

    def __len__(self) -> int:
        return len(self._records)

    def setting(self, name: str) -> str | None:
        """Return a setting, or None."""
        return self._settings.get(name)

    def set(self, name: str, value: str) -> None:
        """Keep a setting; where it is there already, the first value stays."""
        self._settings.setdefault(name, value)


class SQLStore(Store):
    """A store in a database; each evaluation is committed before `put` returns.

    Args:
        url: Path of a SQLite file (made where it is absent), or an SQLAlchemy URL.

    Raises:
        StoreError: The database cannot be opened, or was written by another schema version.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = url if isinstance(url, str) and "://" in url else f"sqlite:///{Path(url)}"
        self._engine, self._tables = _open(self.url)
        self.set("schema_version", str(SCHEMA_VERSION))
        if (found := self.setting("schema_version")) != str(SCHEMA_VERSION):
            raise StoreError(
                f"The store {shown(self.url)} has schema version {found}; this release reads "
                f"{SCHEMA_VERSION}. Use another file, or the release that wrote it."
            )

    def get(self, key: EvaluationKey) -> Evaluation | None:
        """Return the evaluation under `key`, or None."""
        from sqlalchemy import select

        table = self._tables["evaluations"]
        columns = table.c
        query = select(columns.evaluation).where(
            columns.candidate_key == key.candidate_key,
            columns.fingerprint == key.fingerprint,
            columns.budget == key.budget,
            columns.training_seed == key.training_seed,
        )
        with self._reading() as connection:
            row = connection.execute(query).scalar_one_or_none()
        return None if row is None else Evaluation.from_json(json.loads(row))

    def put(self, record: Record, replace: bool = False) -> None:
        """Commit a record; where the key is there already, the first one stays or is replaced."""
        self._insert("evaluations", _row(record), record.key if replace else None)

    def records(self, fingerprint: str, budget: Budget) -> Iterator[tuple[Candidate, Evaluation]]:
        """Yield all that was evaluated under a fingerprint and a budget, oldest first."""
        from sqlalchemy import select

        columns = self._tables["evaluations"].c
        query = select(columns.candidate, columns.evaluation).order_by(columns.id)
        with self._reading() as connection:
            found = connection.execute(
                query.where(
                    columns.fingerprint == fingerprint,
                    columns.budget == budget.text,
                    columns.training_seed == budget.training_seed,
                )
            ).all()
        for candidate, evaluation in found:
            yield (
                Candidate.from_json(json.loads(candidate)),
                Evaluation.from_json(json.loads(evaluation)),
            )

    def __len__(self) -> int:
        from sqlalchemy import func, select

        with self._reading() as connection:
            query = select(func.count()).select_from(self._tables["evaluations"])
            return int(connection.execute(query).scalar_one())

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of the table `evaluations`, oldest first."""
        from sqlalchemy import select

        table = self._tables["evaluations"]
        with self._reading() as connection:
            query = select(table).order_by(table.c.id)
            return [dict(row) for row in connection.execute(query).mappings()]

    def setting(self, name: str) -> str | None:
        """Return a setting, or None."""
        from sqlalchemy import select

        table = self._tables["settings"]
        with self._reading() as connection:
            query = select(table.c.value).where(table.c.name == name)
            return connection.execute(query).scalar_one_or_none()

    def set(self, name: str, value: str) -> None:
        """Commit a setting; where it is there already, the first value stays."""
        self._insert("settings", {"name": name, "value": value})

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(
                f"The store {shown(self.url)} could not be read ({_reason(error)}). "
                "Check that the file is there, whole and permitted."
            ) from error

    def _insert(
        self, table: str, values: Mapping[str, Any], instead_of: EvaluationKey | None = None
    ) -> None:
        from sqlalchemy import and_, delete, insert
        from sqlalchemy.exc import IntegrityError, SQLAlchemyError

        try:
            with self._engine.begin() as connection:
                if instead_of is not None:
                    columns = self._tables[table].c
                    same = [columns[name] == x for name, x in instead_of._asdict().items()]
                    connection.execute(delete(self._tables[table]).where(and_(*same)))
                connection.execute(insert(self._tables[table]), [dict(values)])
        except IntegrityError:
            return  # somebody was first; equal keys mean equal numbers
        except SQLAlchemyError as error:
            raise StoreError(
                f"The store {shown(self.url)} could not be written ({_reason(error)}). "
                "Check disk space and permissions; everything committed before is kept."
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["url"])  # type: ignore[misc]


def open_store(store: Store | str | Path | None) -> Store:
    """Return a store: itself, a SQL store for a path or URL, or one in memory for None."""
    if isinstance(store, Store):
        return store
    return MemoryStore() if store is None else SQLStore(store)


def shown(url: str) -> str:
    """Return a URL for a message, its password hidden."""
    return re.sub(r"(?<=:)[^:@/]+(?=@)", "***", url)


def _row(record: Record) -> dict[str, Any]:
    evaluation = record.evaluation
    metrics = evaluation.metrics
    return {
        **record.key._asdict(),
        "outcome": str(evaluation.outcome),
        "message": evaluation.message,
        "score": record.score,
        "objective": record.objective,
        **{name: metrics.get(name) for name in METRICS},
        "epochs": evaluation.epochs,
        "seconds": evaluation.seconds,
        "candidate": canonical_json(record.candidate.to_json()),
        "evaluation": json.dumps(evaluation.to_json()),
        "created": record.created,
    }


def _open(url: str) -> tuple[Engine, dict[str, Table]]:
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import OperationalError, SQLAlchemyError

    tables = _tables()
    metadata = tables["settings"].metadata
    try:
        engine = create_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _write_ahead)
        try:
            metadata.create_all(engine)
        except OperationalError:  # another process made the tables in the same moment
            metadata.create_all(engine)
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(
            f"The store {shown(url)} could not be opened ({_reason(error)}). "
            "Give the path of a SQLite file in an existing folder, or an SQLAlchemy URL."
        ) from error
    return engine, tables


def _reason(error: Exception) -> str:
    """Return what the database said, in one line, without the statement and its values."""
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]


def _write_ahead(connection: Any, _: object) -> None:
    """Let readers and a writer work at once, and keep commits through the end of a process."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _tables() -> dict[str, Table]:
    from sqlalchemy import (
        BigInteger,
        Column,
        Float,
        Integer,
        MetaData,
        String,
        Table,
        Text,
        UniqueConstraint,
    )

    metadata = MetaData()
    unique = ("candidate_key", "fingerprint", "budget", "training_seed")
    evaluations = Table(
        "evaluations",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("candidate_key", String(32), nullable=False, index=True),
        Column("fingerprint", String(255), nullable=False),
        Column("budget", String(255), nullable=False),
        Column("training_seed", BigInteger, nullable=False),
        Column("outcome", String(32), nullable=False),
        Column("message", Text, nullable=False),
        Column("score", Float),
        Column("objective", String(255), nullable=False),
        Column("accuracy", Float),
        Column("loss", Float),
        Column("params", BigInteger),
        Column("macs", BigInteger),
        Column("activation_bytes", BigInteger),
        Column("epochs", Integer, nullable=False),
        Column("seconds", Float, nullable=False),
        Column("candidate", Text, nullable=False),
        Column("evaluation", Text, nullable=False),
        Column("created", String(32), nullable=False),
        UniqueConstraint(*unique),
    )
    return {"evaluations": evaluations, "settings": _settings_table(metadata)}


def _settings_table(metadata: MetaData) -> Table:
    from sqlalchemy import Column, String, Table, Text

    name = Column("name", String(255), primary_key=True)
    return Table("settings", metadata, name, Column("value", Text, nullable=False))
