"""What can happen to a store in a file: each mistake or accident is said, and nothing is lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from nas_env.errors import InvalidSettingError, MissingDependencyError, StoreError
from nas_env.store import EvaluationKey, SQLStore
from tests.nas_env.store.store_examples import EVALUATION, FAILED, INFO, entry, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def not_a_database(folder: Path) -> Path:
    path = folder / "store.sqlite"
    path.write_text("not a database, but long enough to be looked at" * 50)
    return path


@pytest.mark.parametrize(
    "case", ["no such folder", "a folder", "another file", "bad url", "driver", "untested"]
)
def test_what_cannot_be_opened_is_refused_with_the_path(tmp_path: Path, case: str) -> None:
    url: str | Path = {
        "no such folder": tmp_path / "missing" / "store.sqlite",
        "a folder": tmp_path,
        "another file": not_a_database(tmp_path),
        "bad url": "nodialect://here",
        "driver": "postgresql+nodriver://here/x",
        "untested": "mysql://here/x",
    }[case]
    with pytest.raises(StoreError, match=r"could not be opened.*Give the path") as caught:
        SQLStore(url)
    assert str(url) in str(caught.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = not_a_database(tmp_path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="file is not a database"):
        SQLStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_no_store(url: str) -> None:
    with pytest.raises(StoreError, match=r"has no file\. Give a path, or None"):
        SQLStore(url)


def test_a_store_that_cannot_be_used_says_so(path: Path) -> None:
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


def test_an_error_does_not_show_the_password() -> None:
    for url in (
        "nosuchdatabase://me:s3cret@somewhere/nas",
        "postgresql://me:s3cret@127.0.0.1:1/x",
        "postgresql://me:***@127.0.0.1:1/x?password=s3cret",
    ):
        with pytest.raises((StoreError, MissingDependencyError)) as caught:
            SQLStore(url)
        assert "s3cret" not in str(caught.value)
        if isinstance(caught.value, StoreError):
            assert "://me:***@" in str(caught.value)


def test_a_full_disk_is_said_and_what_was_committed_is_kept(path: Path) -> None:
    store = SQLStore(path)
    pages: list[int] = []

    def limit(connection: Any, *_: object) -> None:
        pages[:] = connection.execute(f"PRAGMA max_page_count={most}").fetchone()

    most = 20
    event.listen(store.database._engine, "checkout", limit)
    with pytest.raises(
        StoreError, match=r"written \(database or disk is full\)\. Free some disk space"
    ):
        for number in range(10_000):
            store.put(record(f"{number}" * 50))
    assert pages[0] < 10_000, "the limit was not taken"
    kept = len(store)
    assert kept > 5
    assert store.get(record("0" * 50).key) == EVALUATION
    with pytest.raises(StoreError, match="disk is full"):
        store.enter(store.begin_search(INFO), *(entry(x, FAILED) for x in range(1, 500)))
    most = 10_000  # somebody made room
    store.put(record("new"))
    assert len(store) == kept + 1


def test_a_read_only_store_reads_and_refuses_to_write(path: Path) -> None:
    store = SQLStore(path)
    store.put(record())
    store.begin_search(INFO)
    reading = SQLStore(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert reading.get(record().key) == EVALUATION
    assert len(reading.rows()) == len(reading) == len(reading.searches()) == 1
    for write in (lambda: reading.put(record("g")), lambda: reading.set("a", "b")):
        with pytest.raises(StoreError, match=r"written \(.*readonly.*open it without mode=ro"):
            write()
    assert len(store) == 1


def test_nothing_is_made_where_reading_only_finds_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="could not be opened"):
        SQLStore(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert not path.exists()


def held(path: Path) -> sqlite3.Connection:
    """Return a connection that keeps the file locked against writing."""
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    return holder


def test_a_lock_is_waited_for(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SQLStore(path, patience=60)
    store.database._engine.dispose()
    holder = held(path)
    release = threading.Timer(0.5, lambda: (holder.rollback(), holder.close()))
    release.start()
    assert store.get(record().key) is None  # reading needs no lock
    store.put(record())
    release.join()
    assert store.get(record().key) == EVALUATION


def test_a_lock_that_stays_is_said_with_the_remedy(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas_env.store.database.BUSY_SECONDS", 0.05)
    store = SQLStore(path, patience=0.5)
    holder = held(path)
    with pytest.raises(
        StoreError, match=r"database is locked.*end that process, or open .* more patience"
    ):
        store.put(record())
    assert [x.levelname for x in caplog.records] == ["WARNING"]
    assert "is locked (database is locked); trying again for up to 0 s" in caplog.text
    assert len(store) == 0
    holder.close()
    store.put(record())
    assert len(store) == 1


def test_opening_waits_for_a_lock_too(path: Path) -> None:
    sqlite3.connect(path).close()
    holder = held(path)
    with pytest.raises(StoreError, match=r"could not be opened \(database is locked\)"):
        SQLStore(path, patience=0.2)
    threading.Timer(0.3, holder.close).start()
    SQLStore(path, patience=60).put(record())


REMOVALS: dict[str, Callable[[Path], Any]] = {
    "deleted": lambda path: [x.unlink() for x in path.parent.glob("store.sqlite*")],
    "replaced by another file": lambda path: (
        [x.unlink() for x in path.parent.glob("store.sqlite*")],
        SQLStore(path.with_name("other")).close(),
        path.with_name("other").replace(path),
    ),
}


@pytest.mark.parametrize("what", REMOVALS)
def test_a_file_that_is_gone_is_noticed_and_saved(path: Path, what: str) -> None:
    store = SQLStore(path)
    store.put(record())
    REMOVALS[what](path)
    with pytest.raises(
        StoreError, match=rf"was {what} while it was open.*Its contents are in"
    ) as e:
        store.put(record("last"))
    (saved,) = path.parent.glob("*.rescued-*")
    assert str(saved) in str(e.value)
    with pytest.raises(StoreError, match=f"was {what}"):
        store.get(record("never").key)  # not "not there"
    rescued = SQLStore(saved)
    assert [row["fingerprint"] for row in rescued.rows()] == ["f", "last"]
    rescued.close()
    store.close()  # its connections were the last that knew the file
    with pytest.raises(StoreError, match=rf"was {what}.*Its contents are in {saved}"):
        store.put(record("later"))
    assert [row["fingerprint"] for row in SQLStore(saved).rows()] == ["f", "last"]
    assert path.exists() == (what != "deleted")
    if path.exists():
        assert len(SQLStore(path)) == 0


def test_a_file_that_nobody_can_save_is_said_to_be_lost(path: Path) -> None:
    store = SQLStore(path)
    store.put(record())
    store.close()
    REMOVALS["deleted"](path)
    with pytest.raises(StoreError, match=r"was deleted.*Its contents are lost"):
        store.put(record("later"))
    assert not list(path.parent.iterdir())


def test_a_moved_file_that_comes_back_is_the_same(path: Path) -> None:
    store = SQLStore(path)
    store.put(record())
    path.rename(path.with_name("away"))
    with pytest.raises(StoreError, match="deleted"):
        len(store)
    path.with_name("away").rename(path)
    assert len(store) == 1


def test_threads_share_a_store(url: str) -> None:
    store = SQLStore(url)
    key = record().key
    names = [f"{number}" for number in range(40)]

    def write(part: list[str]) -> None:
        for name in part:
            store.put(record(name))
            assert store.get(EvaluationKey(key.candidate_key, name, *key[2:])) == EVALUATION

    threads = [threading.Thread(target=write, args=(names[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row["fingerprint"] for row in store.rows()) == sorted(names)


def test_waiting_ends_when_patience_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_env.store.database.BUSY_SECONDS", 0.01)
    store = SQLStore(path, patience=1.0)
    holder = held(path)
    attempts: list[float] = []
    event.listen(store.database._writer, "begin", lambda _: attempts.append(time.monotonic()))
    with pytest.raises(StoreError, match="locked"):
        store.put(record())
    holder.close()
    assert len(attempts) >= 2, "it was tried again"


@pytest.mark.parametrize("patience", [-1.0, float("nan"), True])
def test_a_patience_that_is_no_time_is_refused(path: Path, patience: float) -> None:
    with pytest.raises(InvalidSettingError, match="patience must be a number of seconds >= 0"):
        SQLStore(path, patience=patience)
    assert not path.exists()
