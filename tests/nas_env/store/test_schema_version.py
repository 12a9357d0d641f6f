"""A store has the tables of this release's schema version; others are refused and left alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from nas_env.errors import StoreError
from nas_env.store import SCHEMA_VERSION, SQLStore
from tests.nas_env.store.store_examples import record

OPENER = """
import sys
from nas_env.store import SQLStore
store = SQLStore(sys.argv[1])
print(store.setting("schema_version"), len(store))
"""


def open_at_once(url: str, processes: int = 3) -> list[list[str]]:
    """Open a store in several processes at once; return the schema version and size each saw."""
    command = [sys.executable, "-c", OPENER, url]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(processes)
    ]
    results = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [0] * processes, results
    return [out.split() for out, _ in results]


def write_other_version(url: str, version: str) -> None:
    """Make a store with one evaluation and another schema version."""
    store = SQLStore(url)
    store.put(record())
    store.close()
    engine = create_engine(url if "://" in url else f"sqlite:///{url}")
    with engine.begin() as connection:
        change = text("UPDATE settings SET value = :version WHERE name = 'schema_version'")
        connection.execute(change, {"version": version})
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    engine.dispose()


def test_a_new_store_has_this_version(url: str) -> None:
    store = SQLStore(url)
    assert store.setting("schema_version") == str(SCHEMA_VERSION)
    store.put(record("g" * 300))  # PostgreSQL would refuse it in a column of 255 characters
    assert len(SQLStore(url)) == 1


def test_several_processes_make_a_store_at_once(url: str) -> None:
    assert open_at_once(url) == [[str(SCHEMA_VERSION), "0"]] * 3


@pytest.mark.parametrize("version", [str(SCHEMA_VERSION - 1), str(SCHEMA_VERSION + 1), "0", "two"])
def test_another_version_is_refused_and_left_alone(tmp_path: Path, version: str) -> None:
    path = tmp_path / "store.sqlite"
    write_other_version(str(path), version)
    before = path.read_bytes()
    needed = f"must have schema version {SCHEMA_VERSION}, got {version}"
    for url in (path, f"sqlite:///file:{path}?mode=ro&uri=true"):
        with pytest.raises(StoreError, match=rf"Store .*store\.sqlite.* {needed}\. Use another fi"):
            SQLStore(url)
    assert path.read_bytes() == before
    assert [x.name for x in tmp_path.iterdir()] == ["store.sqlite"]


def test_another_version_in_postgresql_is_refused(postgresql_url: str) -> None:
    write_other_version(postgresql_url, "2")
    with pytest.raises(StoreError, match=r"got 2\. Use another file, or the release that wrote it"):
        SQLStore(postgresql_url)


def test_tables_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("create table evaluations (grade int)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"version {SCHEMA_VERSION}, got None\. Use"):
        SQLStore(path)
    assert path.read_bytes() == before
