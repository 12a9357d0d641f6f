"""Database access with retries: the database may be locked, unreachable or deleted."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from nas_env.errors import MissingDependencyError, StoreError
from nas_env.extras import sentence
from nas_env.store.faults import Fault, fault_of, reason_of, remedy_for
from nas_env.store.schema import has_tables, make_tables
from nas_env.store.sqlite_file import SQLiteFile

T = TypeVar("T")
logger = logging.getLogger(__name__)

BUSY_SECONDS = 5.0  # longest single wait of SQLite for a lock, during which Ctrl-C has no effect
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts; the last one repeats
TCP = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}  # s, s, ms


class Database:
    """An engine with retries: work takes effect once, even if the database is locked or away.

    Args:
        url: Path of a SQLite file, or an SQLAlchemy URL of SQLite or PostgreSQL.
        patience: Seconds to wait for a database that is locked or unreachable. Opening waits only
            for locks.

    Raises:
        StoreError: The database cannot be opened, or has another schema version.
        MissingDependencyError: The driver of PostgreSQL is not installed.
    """

    def __init__(self, url: str | Path, patience: float) -> None:
        self.patience = patience
        self.url = str(url)
        self._opened = False
        self._process = os.getpid()
        try:
            parsed = _parsed(url)
            self.file = SQLiteFile.of(parsed) if _is_sqlite(parsed) else None
            self.url = (self.file.url if self.file else parsed).render_as_string(False)
            self._engine = self._sqlite(self.file) if self.file else _postgresql(parsed)
        except (SQLAlchemyError, ImportError) as error:
            raise self._refusal("opened", error) from error
        self._writer = self._engine.execution_options(writes=True)
        self._reader = self._engine
        if self.file is None:
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._settle()
        self._opened = True

    def __str__(self) -> str:
        return shown(self.url)

    @property
    def dialect(self) -> str:
        """Name of the kind of database, "sqlite" or "postgresql"."""
        return self._engine.dialect.name

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return the result of `work`, which is called again if the connection was lost."""
        return self._patiently("read", work, self._reader.connect)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Commit the changes of `work` and return its result.

        Args:
            work: Called again if the connection was lost, possibly during the commit. It must be
                idempotent.
        """
        return self._patiently("written", work, self._writer.begin)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _settle(self) -> None:
        """Create the tables if they do not exist; raise if they have another schema version."""
        name = str(self)
        if not self._patiently("opened", lambda c: has_tables(c, name), self._reader.connect):
            self._patiently("opened", lambda c: make_tables(c, name), self._writer.begin)
        if self.file is None:
            return
        if not self.file.read_only:
            self._patiently("opened", _write_ahead, self._reader.connect)
        self._engine.dispose()  # later connections belong to the file that exists now
        self.file.remember()

    def _patiently(self, verb: str, work: Callable[[Connection], T], connect: Any) -> T:
        began, attempt = time.monotonic(), 0
        while True:
            try:
                return self._attempt(work, connect)
            except (SQLAlchemyError, OverflowError) as error:
                fault, waited = fault_of(error), time.monotonic() - began
                hopeless = not fault.passes or (fault is Fault.AWAY and not self._opened)
                if hopeless or waited >= self.patience:
                    raise self._refusal(verb, error, waited) from error
                if attempt == 0:
                    text = "The store %s is %s (%s); trying again for up to %.0f s."
                    logger.warning(text, self, fault.value, reason_of(error), self.patience)
            pause = PAUSES[min(attempt, len(PAUSES) - 1)]
            time.sleep(max(0.0, min(pause, began + self.patience - time.monotonic())))
            attempt += 1

    def _attempt(self, work: Callable[[Connection], T], connect: Any) -> T:
        if os.getpid() != self._process:  # forked: the connections are the parent's
            self._engine.dispose(close=False)
            self._process = os.getpid()
        try:
            with connect() as connection:
                return work(connection)
        finally:
            if self.file:
                self.file.check_there(self._engine)

    def _refusal(self, verb: str, error: Exception, waited: float = 0.0) -> StoreError:
        return StoreError(
            f"The store {self} could not be {verb} ({reason_of(error)}). "
            f"{remedy_for(fault_of(error), verb, waited)}"
        )

    def _sqlite(self, file: SQLiteFile) -> Engine:
        timeout = min(self.patience, BUSY_SECONDS)
        engine = create_engine(file.url, creator=lambda: file.connect(timeout))
        event.listen(engine, "begin", _take_the_lock)
        return engine


def shown(url: str) -> str:
    """Return a URL for messages, with the password hidden."""
    if "://" not in url:
        return url
    try:
        masked = make_url(url).render_as_string()
    except (ArgumentError, ValueError):
        masked = re.sub(r"(?<=:)[^:@/]+(?=@)", "***", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", masked)


def _parsed(url: str | Path) -> URL:
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(url))
    parsed = make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ArgumentError(f"{parsed.get_backend_name()!r} is not a supported database")
    return parsed


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _postgresql(url: URL) -> Engine:
    """Return the engine; a lost server is detected within 30 seconds."""
    settings = {name: value for name, value in TCP.items() if name not in url.query}
    try:
        return create_engine(url, pool_pre_ping=True, connect_args=settings)
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        message = sentence("Stores in PostgreSQL need", ["psycopg"], "postgresql")
        raise MissingDependencyError(message) from None


def _take_the_lock(connection: Connection) -> None:
    """Acquire the lock at the start of a write, so that no lock conflict occurs later."""
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _write_ahead(connection: Connection) -> None:
    """Enable write-ahead logging, a property of the file, for concurrent readers and writers."""
    if connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() != "wal":
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
