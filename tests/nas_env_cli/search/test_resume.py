"""Searches that are killed at any moment go on: nothing that was finished is lost or repeated."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from nas_env.store import Entry, SQLStore
from tests.support.paths import ROOT

PROGRAM = "from tests.nas_env_cli.search import killable; killable.main()"


@dataclass
class Searches:
    """The program of `killable`, and how often each search was killed."""

    process: subprocess.Popen[str]
    random: random.Random = field(default_factory=lambda: random.Random(0))

    def begin(self, folder: Path, **settings: Any) -> int:
        """Begin a search and return its process id."""
        folder.mkdir(exist_ok=True)
        self._write({"folder": str(folder), "pause": 0.01, "workers": None, **settings})
        return int(self._line())

    def finish(self, folder: Path, **settings: Any) -> dict[str, Any]:
        """Run a search to its end and return what it said."""
        self.begin(folder, **settings)
        assert self._line() == "ended"
        told: dict[str, Any] = json.loads((folder / "ended.json").read_text())
        return told

    def kill(self, folder: Path, **settings: Any) -> dict[str, Any]:
        """Begin a search and kill it after some evaluations; return what is in the store then."""
        before = len(rows(folder))
        pid = self.begin(folder, **settings)
        wanted = before + self.random.randint(3, 8)
        deadline = time.monotonic() + 60
        while len(rows(folder)) < wanted and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(self.random.random() * 0.03)
        workers = psutil.Process(pid).children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        assert self._line() == "ended"
        assert not (folder / "ended.json").exists(), "it was too late"
        assert bool(workers) == bool(settings.get("workers"))
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive
        return rows(folder)

    def _write(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def searches() -> Iterator[Searches]:
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    yield Searches(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=30)


def rows(folder: Path) -> dict[str, Any]:
    """Return what identifies each stored evaluation, by its network."""
    file = folder / "store.sqlite"
    query = "SELECT candidate_key, id, created, outcome, evaluation FROM evaluations"
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return {key: rest for key, *rest in connection.execute(query)}
    except sqlite3.OperationalError:
        return {}  # not there yet


def begun(folder: Path) -> list[str]:
    file = folder / "begun.txt"
    return file.read_text().split() if file.exists() else []


def entries(folder: Path) -> list[Entry]:
    store = SQLStore(folder / "store.sqlite")
    [search] = store.searches()
    assert search.reason == "evaluations"
    return store.entries(search.id)


def decisions(folder: Path) -> list[Any]:
    return [(x.number, x.episode, x.new, x.candidate.walk, x.score) for x in entries(folder)]


def kill_and_finish(
    searches: Searches, folder: Path, kills: int, **settings: Any
) -> dict[str, Any]:
    """Kill a search so many times, then let it end; check that what was stored stays as it was."""
    kept: dict[str, Any] = {}
    for attempt in range(kills + 1):
        before = len(begun(folder))
        if attempt < kills:
            now = searches.kill(folder, **settings)
        else:
            told = searches.finish(folder, **settings)
            now = rows(folder)
        new = begun(folder)[before:]
        assert len(set(new)) == len(new)
        assert not set(new) & set(kept), "an evaluation that was finished was repeated"
        assert {key: now[key] for key in kept} == kept, "an evaluation that was finished is lost"
        assert len(now) > len(kept)
        kept = now
    assert len(kept) == len({row[0] for row in kept.values()})
    return told


@pytest.mark.parametrize(
    ("agent", "settings"),
    [
        ("random", {}),
        ("q-learning", {}),
        ("regularized-evolution", {}),
        ("maskable-ppo", {"deferred": True, "n_steps": 16, "batch_size": 16}),
    ],
)
def test_a_killed_search_decides_as_a_whole_one(
    searches: Searches, tmp_path: Path, agent: str, settings: dict[str, Any]
) -> None:
    settings = {"agent": agent, "evaluations": 40, **settings}
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    told = kill_and_finish(searches, broken, 3, **settings)
    assert told == searches.finish(whole, **settings)
    assert decisions(broken) == decisions(whole)
    assert len(rows(broken)) == told["evaluations"] == 40


def test_a_killed_search_with_workers_decides_as_one_without(
    searches: Searches, tmp_path: Path
) -> None:
    settings = {"agent": "regularized-evolution", "evaluations": 25}
    told = kill_and_finish(searches, tmp_path / "broken", 2, workers=2, **settings)
    assert told == searches.finish(tmp_path / "whole", **settings)
    assert decisions(tmp_path / "broken") == decisions(tmp_path / "whole")


@pytest.mark.parametrize("workers", [None, 2])
def test_a_killed_asynchronous_search_recalls_what_it_was_told(
    searches: Searches, tmp_path: Path, workers: int | None
) -> None:
    settings = {"agent": "async-regularized-evolution", "evaluations": 40, "workers": workers}
    told: list[list[Any]] = []
    for _ in range(2):
        searches.kill(tmp_path, **settings)
        told.append(recorded(tmp_path))
    ended = kill_and_finish(searches, tmp_path, 0, **settings)
    final = recorded(tmp_path)
    assert 0 < len(told[0]) <= len(told[1]) < len(final)
    for before in told:
        assert final[: len(before)] == before
    assert ended["reason"] == "evaluations"
    assert ended["evaluations"] == 40
    assert sum(x.new for x in entries(tmp_path)) == 40
    members = [[list(x.candidate.walk), x.score] for x in entries(tmp_path)[-10:]]
    assert ended["population"] == members
    twice = len(begun(tmp_path)) - len(set(begun(tmp_path)))
    untold = len(rows(tmp_path)) - 40
    assert max(twice, untold) <= 2 * (workers or 1), "only what ran at a kill"


def recorded(folder: Path) -> list[Any]:
    store = SQLStore(folder / "store.sqlite")
    return [(x.number, x.candidate, x.score) for x in store.entries(store.searches()[0].id)]
