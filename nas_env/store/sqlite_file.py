"""The file of a SQLite store: connecting to it, and noticing that it was deleted or replaced."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from nas_env.errors import StoreError
from nas_env.files import replacing


class SQLiteFile:
    """A file, and what it was when the store was opened.

    SQLite goes on writing into a file that has no name any more, and makes a new one where none
    is: both would lose evaluations without a word, so the file is looked at after all work.

    Args:
        path: The file.
        query: Parameters of SQLite's own URLs, such as {"mode": "ro"}.
    """

    def __init__(self, path: Path, query: dict[str, str]) -> None:
        self.path = path
        self.query = query
        self._identity: tuple[int, int] | None = None
        self._saved = False  # whether what a lost file held is beside it

    @classmethod
    def of(cls, url: URL) -> SQLiteFile:
        """Return the file of an SQLAlchemy URL.

        Raises:
            StoreError: The URL is that of a database in memory, which each thread has for itself.
        """
        name, query = url.database or "", {key: str(value) for key, value in url.query.items()}
        if name.startswith("file:"):
            name = unquote(name.removeprefix("file:"))
        if name in ("", ":memory:") or query.get("mode") == "memory":
            raise StoreError(
                f"The store {url} has no file. Give the path of one, or None for a store in memory."
            )
        query.pop("uri", None)
        return cls(Path(name).absolute(), query)

    @property
    def url(self) -> URL:
        """The SQLAlchemy URL, good in every working directory."""
        if not self.query:
            return URL.create("sqlite", database=str(self.path))
        query = {**self.query, "uri": "true"}
        return URL.create("sqlite", database=f"file:{self.path}", query=query)

    @property
    def read_only(self) -> bool:
        """Whether nothing may be written."""
        return self.query.get("mode") == "ro" or "immutable" in self.query

    def connect(self, timeout: float) -> sqlite3.Connection:
        """Return a new connection; a file is made only as long as none was opened before.

        Args:
            timeout: Seconds that a statement waits for a lock at a time.
        """
        mode = {"mode": "rw" if self._identity else "rwc", **self.query}
        uri = f"{self.path.as_uri()}?{'&'.join(f'{key}={value}' for key, value in mode.items())}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
        )
        if self._identity not in (None, self._found()):
            connection.close()
            raise sqlite3.OperationalError("not the file that was opened")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def remember(self) -> None:
        """Take the file that is there for the store's own from now on."""
        self._identity = self._found()

    def check_there(self, engine: Engine) -> None:
        """Refuse to go on where the file was deleted or replaced, and save what it held.

        Raises:
            StoreError: It is another file, or none.
        """
        found = self._found()
        if self._identity in (None, found):
            return
        what = "deleted" if found is None else "replaced by another file"
        raise StoreError(
            f"The store {self.path} was {what} while it was open. {self._rescued(engine)}"
        )

    def _rescued(self, engine: Engine) -> str:
        """Write all that the lost file held into a new one beside it, and return what to do."""
        copy = self.path.with_name(f"{self.path.name}.rescued-{os.getpid()}")
        try:
            with replacing(copy) as part, engine.connect() as connection:
                connection.exec_driver_sql("VACUUM INTO ?", (str(part),))
            self._saved = True
        except (SQLAlchemyError, OSError):
            if not self._saved:
                return "What it held could not be saved. Restore it from a copy, or begin anew."
        return f"All it held is in {copy}: move that to its place, and go on."

    def _found(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino
