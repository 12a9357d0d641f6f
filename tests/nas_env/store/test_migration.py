"""Stores of older releases are brought up to date; those of newer ones are left alone."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from nas_env.architecture import canonical_json
from nas_env.errors import StoreError
from nas_env.store import SCHEMA_VERSION, SQLStore
from tests.nas_env.store.store_examples import CANDIDATE, EVALUATION, INFO, entry, record

# As the releases wrote them; SQLAlchemy's `CREATE TABLE` with white space taken out.
COLUMNS = """
    id {serial} NOT NULL, candidate_key VARCHAR(32) NOT NULL, fingerprint VARCHAR(255) NOT NULL,
    budget VARCHAR(255) NOT NULL, training_seed BIGINT NOT NULL, outcome VARCHAR(32) NOT NULL,
    message TEXT NOT NULL, score FLOAT, objective VARCHAR(255) NOT NULL, accuracy FLOAT,
    loss FLOAT, params BIGINT, macs BIGINT, {activations}epochs INTEGER NOT NULL,
    seconds FLOAT NOT NULL, candidate TEXT NOT NULL, evaluation TEXT NOT NULL,
    created VARCHAR(32) NOT NULL, PRIMARY KEY (id),
    UNIQUE (candidate_key, fingerprint, budget, training_seed)
"""
OTHERS = (
    "CREATE INDEX ix_evaluations_candidate_key ON evaluations (candidate_key)",
    "CREATE TABLE settings (name VARCHAR(255) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name))",
    "INSERT INTO settings VALUES ('precision/wine', 'float32')",
)
OLD = EVALUATION.to_json() | {"metrics": {"accuracy": 0.9, "activation_bytes": 56}}


def write_old(url: str, version: int, rows: int = 1) -> None:
    """Make a store as the release with that schema version made it."""
    engine = create_engine(url if "://" in url else f"sqlite:///{url}")
    serial = "INTEGER" if engine.dialect.name == "sqlite" else "SERIAL"
    activations = "activation_bytes BIGINT, " if version > 1 else ""
    columns = COLUMNS.format(serial=serial, activations=activations)
    values = {
        **record().key._asdict(),
        "outcome": "ok",
        "message": "",
        "objective": "Accuracy()",
        "epochs": 1,
        "seconds": 2.5,
        "candidate": canonical_json(CANDIDATE.to_json()),
        "evaluation": json.dumps(OLD),
        "created": "2026-11-24T00:00:00+00:00",
    }
    marker = "?" if engine.dialect.name == "sqlite" else "%s"
    filled = f"({', '.join(values)}) VALUES ({', '.join(marker for _ in values)})"
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        for statement in (f"CREATE TABLE evaluations ({columns})", *OTHERS):
            connection.exec_driver_sql(statement)
        for number in range(rows):
            values["training_seed"] = 7 + number
            connection.exec_driver_sql(f"INSERT INTO evaluations {filled}", (*values.values(),))
        set_version = f"INSERT INTO settings VALUES ('schema_version', '{version}')"
        connection.exec_driver_sql(set_version)
    engine.dispose()


def described(url: str) -> dict[str, list[tuple[str, str, bool]]]:
    """Return name, type and nullability of the columns of each table, in any order."""
    engine = create_engine(url if "://" in url else f"sqlite:///{url}")
    found = inspect(engine)
    tables = {
        name: sorted((x["name"], str(x["type"]), x["nullable"]) for x in found.get_columns(name))
        for name in found.get_table_names()
    }
    engine.dispose()
    return tables


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_older_store_is_brought_up_to_date(url: str, version: int) -> None:
    write_old(url, version)
    store = SQLStore(url)
    assert store.setting("schema_version") == str(SCHEMA_VERSION)
    assert store.setting("precision/wine") == "float32"
    found = store.get(record().key)
    assert found is not None
    assert found.to_json() == OLD
    assert [row["activation_bytes"] for row in store.rows()] == [56 if version == 1 else None]
    number = store.begin_search(INFO)
    store.enter(number, entry(1))
    assert len(store.entries(number)) == 1
    store.put(record("g" * 300))
    assert len(SQLStore(url)) == 2


def test_a_migrated_store_is_as_a_new_one(make_url: Callable[[str], str], tmp_path: Path) -> None:
    write_old(make_url("postgresql"), 1)
    for path in (make_url("postgresql"), make_url("sqlite")):
        SQLStore(path)
    new, old = described(make_url("sqlite")), described(make_url("postgresql"))
    assert set(new) == set(old) == {"evaluations", "settings", "searches", "trials"}
    assert [x[0] for x in new["evaluations"]] == [x[0] for x in old["evaluations"]]
    types = {name: kind for name, kind, _ in old["evaluations"]}
    assert types["fingerprint"] == types["budget"] == types["objective"] == "TEXT"


OPENER = """
import sys
from nas_env.store import SQLStore
store = SQLStore(sys.argv[1])
print(store.setting("schema_version"), len(store))
"""


def open_at_once(url: str, processes: int = 3) -> list[list[str]]:
    """Open a store in several processes at once and return what each found there."""
    command = [sys.executable, "-c", OPENER, url]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(processes)
    ]
    results = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [0] * processes, results
    return [out.split() for out, _ in results]


@pytest.mark.parametrize("version", [None, 1])
def test_several_processes_open_an_old_or_absent_store_at_once(
    url: str, version: int | None
) -> None:
    rows = 0 if version is None else 200
    if version is not None:
        write_old(url, version, rows)
    assert open_at_once(url) == [[str(SCHEMA_VERSION), str(rows)]] * 3


def test_a_failed_migration_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas_env.store import schema

    def fails(connection: object) -> None:
        raise StoreError("It broke.")

    write_old(url, 1)
    before = described(url)
    monkeypatch.setitem(schema.STEPS, 2, fails)  # after the first step was done
    with pytest.raises(StoreError, match="It broke"):
        SQLStore(url)
    assert described(url) == before
    monkeypatch.undo()
    assert len(SQLStore(url)) == 1


@pytest.mark.parametrize("version", ["99", "0", "two"])
def test_a_version_without_a_way_is_refused_and_left_alone(tmp_path: Path, version: str) -> None:
    path = tmp_path / "store.sqlite"
    write_old(str(path), 2)
    connection = sqlite3.connect(path)
    connection.execute(f"update settings set value = '{version}' where name = 'schema_version'")
    connection.commit()
    connection.execute("pragma journal_mode=delete")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"schema version {version}; .* reads 1 to 3\. Use ano"):
        SQLStore(path)
    assert path.read_bytes() == before
    assert [x.name for x in tmp_path.iterdir()] == ["store.sqlite"]


def test_tables_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("create table evaluations (grade int)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"schema version None; .*Use another file"):
        SQLStore(path)
    assert path.read_bytes() == before
