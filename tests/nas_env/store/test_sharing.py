"""Many processes write into one store and read from it at once, and nothing is lost."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

from nas_env.store import SQLStore
from tests.nas_env.store.store_examples import EVALUATION, record, start_writer

PROCESSES = 4
SEARCHING = """
import sys
from tests.nas_env.store.store_examples import INFO, entry, record
from dataclasses import replace
from nas_env.store import SQLStore
store, name, count = SQLStore(sys.argv[1]), sys.argv[2], int(sys.argv[4])
number = store.begin_search(replace(INFO, agent=name, token=name))
for trial in range(1, count + 1):
    common, own = record(f"common {trial}"), record(f"{name} {trial}")
    for one in (common, own):
        store.put(one)
        assert store.get(one.key) == one.evaluation
    store.enter(number, entry(trial, key=own.key), entry(trial + count, key=common.key))
store.end_search(number, "evaluations")
"""


def test_a_killed_writer_loses_nothing_it_reported(url: str) -> None:
    writer = start_writer(url, "killed", 100_000)
    assert writer.stdout is not None
    reported = [writer.stdout.readline().strip() for _ in range(40)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    reported += rest.split()
    assert writer.returncode == -signal.SIGKILL
    assert len(reported) < 100_000, "it was not killed while writing"
    store = SQLStore(url)
    kept = {row["candidate_key"] for row in store.rows()}
    assert all(key in kept for key in reported if len(key) == 32)
    store.put(record())
    assert store.get(record().key) == EVALUATION


def test_searches_of_many_processes_share_a_store(url: str) -> None:
    count, helpers = 40, str(Path(__file__).parent)
    names = [f"search {number}" for number in range(PROCESSES)]
    command = [sys.executable, "-c", SEARCHING, url]
    running = [
        subprocess.Popen([*command, name, helpers, str(count)], stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    errors = [process.communicate(timeout=150)[1] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, errors
    store = SQLStore(url)
    found = sorted(row["fingerprint"] for row in store.rows())
    trials = range(1, count + 1)
    own = [f"{name} {trial}" for name in names for trial in trials]
    assert found == sorted([*own, *(f"common {trial}" for trial in trials)])
    assert sorted(search.info.agent for search in store.searches()) == names
    for search in store.searches():
        assert search.reason == "evaluations"
        entries = store.entries(search.id)
        assert [x.number for x in entries] == list(range(1, 2 * count + 1))
        assert all(x.evaluation == EVALUATION for x in entries)
        assert entries[0].key.fingerprint == f"{search.info.agent} 1"


def put_many(store: SQLStore, name: str) -> None:
    for number in range(30):
        store.put(record(f"{name} {number}"))


def test_a_forked_process_has_connections_of_its_own(url: str) -> None:
    """Two processes that talk over one connection to PostgreSQL would take each other's answers."""
    store = SQLStore(url)
    store.put(record())
    child = multiprocessing.get_context("fork").Process(target=put_many, args=(store, "child"))
    child.start()
    put_many(store, "parent")
    child.join(60)
    assert child.exitcode == 0
    names = [f"{name} {number}" for name in ("child", "parent") for number in range(30)]
    assert sorted(row["fingerprint"] for row in store.rows()) == sorted(["f", *names])
