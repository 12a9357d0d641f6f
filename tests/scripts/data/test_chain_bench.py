"""`scripts.data chain_bench`: killed and given again, the table is as if never killed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_env.evaluation import Outcome
from nas_env.spaces import SPACES
from nas_env.store import SQLStore
from tests.support.paths import ROOT, program

COMMAND = tuple(program("scripts.data chain_bench --limit 3 --report-seconds 1"))
COLUMNS = ("walks", "hits", "loss", "train_loss", "test_hits", "test_loss", "params", "macs")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    places = ("--work", str(folder / "work.sqlite"), "--output", str(folder / "table.npz"))
    return subprocess.Popen(
        [*COMMAND, *places, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """Run to the end and return what was printed, and the table."""
    process = start(folder, *arguments)
    out, errors = process.communicate(timeout=170)
    assert process.returncode == 0, errors
    with np.load(folder / "table.npz", allow_pickle=False) as file:
        return out, {name: file[name] for name in file.files}


def finished(folder: Path) -> list[tuple[str, int, str]]:
    """Return key, seed and what came out of every training in the work file, oldest first."""
    if not (folder / "work.sqlite").is_file():
        return []
    rows = SQLStore(folder / "work.sqlite").rows()
    return [(row["candidate_key"], row["training_seed"], row["evaluation"]) for row in rows]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, int, str]]]:
    """Return a folder whose run was killed half way, and what it had finished."""
    folder = tmp_path_factory.mktemp("killed")
    process = start(folder, "--workers", "1")
    deadline = time.monotonic() + 120
    while len(finished(folder)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)  # the worker sees that its parent is gone, and ends
    return folder, finished(folder)


def test_a_killed_run_goes_on_and_trains_nothing_twice(
    killed: tuple[Path, list[tuple[str, int, str]]], tmp_path: Path
) -> None:
    folder, before = killed
    assert 2 <= len(before) < 9
    assert not (folder / "table.npz").exists()
    out, table = finish(folder, "--partial")
    assert (np.isfinite(table["seconds"]).sum(), np.isnan(table["loss"]).sum()) == (
        len(before),
        (9 - len(before)) * 6,
    )
    out, table = finish(folder)
    assert f"3 networks x 3 seeds; {9 - len(before)} trainings to do" in out
    after = finished(folder)
    assert after[: len(before)] == before
    assert len(after) == len({row[:2] for row in after}) == 9
    _, whole = finish(tmp_path)
    assert whole.keys() == table.keys()
    for name in COLUMNS:
        assert np.array_equal(whole[name], table[name]), name
    assert (whole["seconds"] > 0).all()
    assert (whole["latency_ms"] > 0).all()


def test_failures_are_declared(tmp_path: Path) -> None:
    from nas_env.evaluation import Evaluation
    from scripts.data.chain_bench import MISSING, Job, Record, budget, trained

    job = Job(tmp_path / "work.sqlite")
    walks = list(SPACES.get("chain-bench")().enumerate())[:2]
    failure = Evaluation(Outcome.DIVERGED, {"cpu_seconds": 0.5}, message="The loss is nan.")
    job.store.put(Record(job.key(walks[1], 2), job.space.decode(walks[1]), failure))
    columns = trained(job, walks)
    assert (columns["hits"] == MISSING).all()
    assert (columns["test_hits"] == MISSING).all()
    assert np.isnan(columns["loss"]).all()
    assert np.argwhere(np.isfinite(columns["seconds"])).tolist() == [[1, 2]]
    assert budget(2).training_seed == 2
