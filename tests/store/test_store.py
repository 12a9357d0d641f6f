"""The store: every evaluation, for good, whatever happens to the process."""

from __future__ import annotations

import json
import pickle
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.errors import StoreError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.store import (
    SCHEMA_VERSION,
    EvaluationKey,
    MemoryStore,
    Record,
    SQLStore,
    Store,
    open_store,
)

CANDIDATE = Candidate(Architecture((Layer.of("linear", units=8),)), Recipe(), (3, 1))
EVALUATION = Evaluation(
    Outcome.OK, {"accuracy": 0.9, "loss": 0.3, "params": 12, "macs": 34}, ({"loss": 0.3},), 1, 2.5
)
WRITER = """
import sys
from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.store import SCHEMA_VERSION, EvaluationKey, Record, SQLStore
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SQLStore(path)
for units in range(1, count + 1):
    candidate = Candidate(Architecture((Layer.of("linear", units=units),)))
    key = EvaluationKey.of(candidate, name, Budget())
    store.put(Record(key, candidate, Evaluation(Outcome.OK, {"accuracy": units / count})))
    print(candidate.key, flush=True)
"""


def record(fingerprint: str = "f", evaluation: Evaluation = EVALUATION) -> Record:
    key = EvaluationKey.of(CANDIDATE, fingerprint, Budget(training_seed=7))
    return Record(key, CANDIDATE, evaluation, 0.9, "Accuracy()")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SQLStore(tmp_path / "store.sqlite")


def test_what_was_put_is_found(store: Store) -> None:
    assert store.get(record().key) is None
    store.put(record())
    assert store.get(record().key) == EVALUATION
    assert store.get(record("other").key) is None
    assert len(store) == 1


def test_the_first_evaluation_stays(store: Store) -> None:
    store.put(record())
    store.put(record(evaluation=Evaluation(Outcome.CRASHED)))
    assert store.get(record().key) == EVALUATION
    assert len(store) == 1


def test_the_first_setting_stays(store: Store) -> None:
    assert store.setting("precision") is None
    store.set("precision", "float32")
    store.set("precision", "bfloat16")
    assert store.setting("precision") == "float32"


def test_the_table_has_the_promised_columns(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    SQLStore(path).put(record())
    connection = sqlite3.connect(path)  # as a reader without this package
    connection.row_factory = sqlite3.Row
    (row,) = connection.execute("select * from evaluations").fetchall()
    connection.close()
    found = dict(row)
    assert found["candidate_key"] == CANDIDATE.key
    assert found["fingerprint"] == "f"
    assert '"epochs":8' in found["budget"]
    assert "training_seed" not in found["budget"]
    expected = {
        "training_seed": 7,
        "outcome": "ok",
        "score": 0.9,
        "accuracy": 0.9,
        "loss": 0.3,
        "params": 12,
        "macs": 34,
        "seconds": 2.5,
        "epochs": 1,
        "message": "",
        "objective": "Accuracy()",
    }
    assert {name: found[name] for name in expected} == expected


def test_rows_come_oldest_first_with_the_candidate(tmp_path: Path) -> None:
    store = SQLStore(tmp_path / "store.sqlite")
    for fingerprint in ("b", "a", "c"):
        store.put(record(fingerprint))
    rows = store.rows()
    assert [row["fingerprint"] for row in rows] == ["b", "a", "c"]
    assert Candidate.from_json(json.loads(rows[0]["candidate"])).walk == (3, 1)


def test_a_reopened_store_has_everything(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = SQLStore(path)
    store.put(record())
    store.close()
    assert SQLStore(path).get(record().key) == EVALUATION
    assert SQLStore(f"sqlite:///{path}").get(record().key) == EVALUATION


def test_stores_pickle(store: Store) -> None:
    store.put(record())
    assert pickle.loads(pickle.dumps(store)).get(record().key) == EVALUATION


def start_writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_writer_loses_nothing_it_reported(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writer = start_writer(path, "killed", 100_000)
    assert writer.stdout is not None
    reported = [writer.stdout.readline().strip() for _ in range(40)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    reported += rest.split()
    assert writer.returncode == -signal.SIGKILL
    assert len(reported) < 100_000, "it was not killed while writing"
    store = SQLStore(path)
    kept = {row["candidate_key"] for row in store.rows()}
    assert all(key in kept for key in reported if len(key) == 32)
    store.put(record())
    assert store.get(record().key) == EVALUATION


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writers = [start_writer(path, name, 60) for name in ("one", "two", "two")]
    results = [writer.communicate(timeout=60) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], results
    found = [row["fingerprint"] for row in SQLStore(path).rows()]
    assert (found.count("one"), found.count("two")) == (60, 60)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    SQLStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("update settings set value = '99' where name = 'schema_version'")
    connection.commit()
    connection.close()
    with pytest.raises(
        StoreError, match=rf"schema version 99.*reads {SCHEMA_VERSION}\. Use another file"
    ):
        SQLStore(path)


def not_a_database(folder: Path) -> Path:
    path = folder / "store.sqlite"
    path.write_text("not a database, but long enough to be looked at" * 50)
    return path


@pytest.mark.parametrize(
    "case", ["no such folder", "a folder", "another file", "bad url", "driver"]
)
def test_what_cannot_be_opened_is_refused_with_the_path(tmp_path: Path, case: str) -> None:
    url: str | Path = {
        "no such folder": tmp_path / "missing" / "store.sqlite",
        "a folder": tmp_path,
        "another file": not_a_database(tmp_path),
        "bad url": "nodialect://here",
        "driver": "postgresql+nodriver://here/x",
    }[case]
    with pytest.raises(StoreError, match=r"could not be opened.*Give the path") as caught:
        SQLStore(url)
    assert str(url) in str(caught.value)


def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = SQLStore(path)
    connection = sqlite3.connect(path)
    connection.execute("drop table evaluations")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"written \(no such table: evaluations\).*disk space"):
        store.put(record())
    for ask in (store.rows, store.__len__, lambda: store.get(record().key)):
        with pytest.raises(StoreError, match=r"could not be read \(no such table: evaluations\)"):
            ask()


def test_stores_are_opened_by_what_is_given(tmp_path: Path) -> None:
    assert isinstance(open_store(None), MemoryStore)
    assert isinstance(open_store(tmp_path / "a.sqlite"), SQLStore)
    store = MemoryStore()
    assert open_store(store) is store
    assert [x.name for x in tmp_path.iterdir() if x.suffix == ".sqlite"] == ["a.sqlite"]


def test_an_error_does_not_show_the_password() -> None:
    with pytest.raises(StoreError) as caught:
        SQLStore("nosuchdatabase://me:s3cret@somewhere/nas")
    assert "s3cret" not in str(caught.value)
    assert "nosuchdatabase://me:***@somewhere/nas" in str(caught.value)


@pytest.mark.parametrize("kind", ["memory", "sql"])
def test_an_empty_store_is_a_store(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else SQLStore(tmp_path / "store.sqlite")
    assert len(store) == 0
    assert store
