"""The file of a SQLite store: connections, and detection of a deleted or replaced file."""

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
    """A file and its identity when the store was opened.

    SQLite continues to write to a deleted file, and creates a missing one. Both would silently lose
    evaluations, so the file is checked after each operation.

    Args:
        path: The file.
        query: Parameters of SQLite URIs, such as {"mode": "ro"}.
    """

    def __init__(self, path: Path, query: dict[str, str]) -> None:
        self.path = path
        self.query = query
        self._identity: tuple[int, int] | None = None
        self._saved = False  # whether the contents of a lost file were rescued

    @classmethod
    def of(cls, url: URL) -> SQLiteFile:
        """Return the file of an SQLAlchemy URL.

        Raises:
            StoreError: The URL is that of an in-memory database, which threads cannot share.
        """
        name, query = url.database or "", {key: str(value) for key, value in url.query.items()}
        if name.startswith("file:"):
            name = unquote(name.removeprefix("file:"))
        if name in ("", ":memory:") or query.get("mode") == "memory":
            raise StoreError(
                f"The store {url} has no file. Give a path, or None for a store in memory."
            )
        query.pop("uri", None)
        return cls(Path(name).absolute(), query)

    @property
    def url(self) -> URL:
        """The SQLAlchemy URL with an absolute path."""
        if not self.query:
            return URL.create("sqlite", database=str(self.path))
        query = {**self.query, "uri": "true"}
        return URL.create("sqlite", database=f"file:{self.path}", query=query)

    @property
    def read_only(self) -> bool:
        """Whether the file is opened read-only."""
        return self.query.get("mode") == "ro" or "immutable" in self.query

    def connect(self, timeout: float) -> sqlite3.Connection:
        """Return a new connection; only the first one may create the file.

        Args:
            timeout: Seconds that a statement waits for a lock.
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
        """Record the identity of the current file."""
        self._identity = self._found()

    def check_there(self, engine: Engine) -> None:
        """Raise if the file was deleted or replaced, and rescue its contents.

        Raises:
            StoreError: The file was deleted or replaced.
        """
        identity = self._found()
        if self._identity in (None, identity):
            return
        if not self.path.parent.is_dir():
            raise StoreError(
                f"The folder of the store {self.path} vanished while the store was open. If it was "
                "moved or its disk disconnected, bring it back: everything committed before is in "
                "it."
            )
        what = "deleted" if identity is None else "replaced by another file"
        raise StoreError(
            f"The store {self.path} was {what} while it was open. {self._rescued(engine)}"
        )

    def _rescued(self, engine: Engine) -> str:
        """Copy the contents of the lost file into a new file beside it, and return the remedy."""
        copy = self.path.with_name(f"{self.path.name}.rescued-{os.getpid()}")
        try:
            with replacing(copy) as part, engine.connect() as connection:
                connection.exec_driver_sql("VACUUM INTO ?", (str(part),))
            self._saved = True
        except (SQLAlchemyError, OSError):
            if not self._saved:
                return "Its contents are lost. Restore it from a backup, or start a new store."
        return f"Its contents are in {copy}. Move that file to the original path, and continue."

    def _found(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino
