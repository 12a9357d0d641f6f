"""`Experiment` plays each job once, keeps what has finished, and says how it was made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nas_env.errors import InvalidSettingError, NASError
from scripts.studies.common.experiment import Experiment, Job, require_at_least
from tests.support.interrupts import listen
from tests.support.paths import ROOT

JOBS = [{"agent": agent, "seed": seed} for seed in (0, 1) for agent in ("a", "b")]
SETTINGS = {"networks": 9}


def square(job: Job) -> dict[str, Any]:
    """Return a number, and what the process knows of itself."""
    threads = os.environ["OMP_NUM_THREADS"]  # numpy and torch follow it
    return {"square": job["seed"] ** 2, "threads": threads, "process": os.getpid()}


def refuse_b(job: Job) -> int:
    if job["agent"] == "b":
        raise NASError("Agent b is refused.")
    return 1


def sleep(job: Job) -> int:
    """Finish at once with seed 0, never with another."""
    time.sleep(600 * job["seed"])
    return 1


def lines_of(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.is_file() else 0


def never(job: Job) -> int:
    raise AssertionError("a finished job was played again")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two calls: the first played seed 0, the second what was missing."""
    file = tmp_path_factory.mktemp("played") / "results" / "results.jsonl"
    Experiment(file, SETTINGS).play(JOBS[:2], square, 2, "first")
    with file.open("a") as lines:
        lines.write('{"job": {"agent": "a", "se')
    Experiment(file, SETTINGS).play(JOBS, square, 2, "second")
    return file


def test_a_file_resumes_after_a_line_that_was_cut_off(played: Path) -> None:
    experiment = Experiment(played, SETTINGS)
    assert [job["seed"] for job, _ in experiment.results()] == [0, 0, 1, 1]
    assert experiment.missing(JOBS) == []
    first, second = experiment.calls()
    assert (first["command"], first["seeds"]) == ("first", [0])
    assert (second["command"], second["seeds"]) == ("second", [1])
    assert first["settings"] == SETTINGS and "python" in first["versions"]
    assert first["seconds"] > 0 and second["seconds"] > 0
    before = played.read_bytes()
    experiment.play(JOBS, never, 2)
    assert played.read_bytes() == before


def test_jobs_have_processes_of_their_own_with_one_thread(played: Path) -> None:
    for job, result in Experiment(played, SETTINGS).results():
        assert result["square"] == job["seed"] ** 2
        assert result["threads"] == "1" and result["process"] != os.getpid()


def test_other_settings_are_refused(played: Path) -> None:
    with pytest.raises(
        InvalidSettingError, match=r"settings \{'networks': 9\}, got \{'networks': 8"
    ):
        Experiment(played, {"networks": 8})


def test_a_job_that_fails_leaves_those_that_have_finished(tmp_path: Path) -> None:
    experiment = Experiment(tmp_path / "results.jsonl", {})
    with pytest.raises(NASError, match="Agent b is refused"):
        experiment.play(JOBS[:2], refuse_b, 1)
    assert [job for job, _ in experiment.results()] == JOBS[:1]
    assert experiment.missing(JOBS[:2]) == JOBS[1:2]


def test_an_interrupt_keeps_finished_jobs_and_ends_the_processes(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from scripts.studies.common.experiment import Experiment\n"
        "from tests.scripts.studies.test_experiment import JOBS, sleep\n"
        "if __name__ == '__main__':\n"
        "    Experiment(Path(sys.argv[1]), {}).play(JOBS, sleep, 2, 'the command')\n"
    )
    (tmp_path / "program.py").write_text(program)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    begun = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(file)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
        preexec_fn=listen,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and lines_of(file) < 3:
        time.sleep(0.1)
    os.killpg(begun.pid, signal.SIGINT)
    begun.wait(60)
    experiment = Experiment(file, {})
    assert experiment.missing(JOBS) == JOBS[2:]
    assert json.loads(file.read_text().splitlines()[-1])["seconds"] > 0
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(begun.pid, 0)
            time.sleep(0.1)


def test_options_below_their_bound_are_named() -> None:
    class Options:
        retrain_seeds = 0

    with pytest.raises(InvalidSettingError, match="--retrain-seeds must be >= 1, but is 0"):
        require_at_least(Options(), retrain_seeds=1)
