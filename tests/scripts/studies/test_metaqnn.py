"""scripts.studies.metaqnn on made-up images: it goes on, and its page shows its results."""

from __future__ import annotations

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_env_agents.q_learning import METAQNN_SCHEDULE
from scripts.studies.common.experiment import Experiment
from scripts.studies.metaqnn import page, study
from tests.support.interrupts import listen
from tests.support.paths import ROOT
from tests.support.programs import run_program

TINY = (
    "--networks 12 --seeds 2 --epochs 1 --retrain-seeds 2 --retrain-epochs 1 --images 60 "
    "--validation 20 --max-macs 500000 --processes 1"
)


def command(folder: Path, *more: str) -> list[str]:
    out = ["--source", str(folder), "--store", str(folder / "store.sqlite")]
    page = ["--page", str(folder / "metaqnn.md")]
    return [
        sys.executable,
        "-m",
        "scripts.studies",
        "metaqnn",
        *TINY.split(),
        *out,
        *page,
        *more,
    ]


def run(folder: Path, *more: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = run_program(command(folder, *more))
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the script was interrupted in the first search and ran again."""
    folder = tmp_path_factory.mktemp("metaqnn")
    rng, arrays = np.random.default_rng(0), {}
    for part, size in (("train", 100), ("test", 40)):
        labels = np.arange(size) % 10
        images = rng.integers(0, 200, (size, 28, 28)) + 5 * labels[:, None, None]
        arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
    np.savez(folder / "mnist_15k.npz", **arrays)
    begun = subprocess.Popen(
        command(folder),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen,
    )
    assert begun.stderr is not None
    first = begun.stderr.readline()  # of a search that is under way
    assert "1/12 networks" in first
    os.killpg(begun.pid, signal.SIGINT)
    said = begun.stderr.read()
    assert begun.wait(60) == 130 and "Interrupted." in said
    assert "Traceback" not in said
    begun.stderr.close()
    assert Experiment(folder / "metaqnn" / "results.jsonl", {}).results() == []
    assert "4/4 jobs" in run(folder).stderr
    return folder


@pytest.fixture(scope="module")
def experiment(made: Path) -> Experiment:
    return Experiment(made / "metaqnn" / "results.jsonl", {})


def test_the_results_are_whole(experiment: Experiment) -> None:
    searches = page.searches_of(experiment)
    assert [(x["method"], x["seed"]) for x in searches] == [
        (method, seed) for seed in (0, 1) for method in ("q-learning", "random")
    ]
    assert [call["seeds"] for call in experiment.calls()] == [[0, 1], [0, 1]]
    ends = np.cumsum([count for _, count in METAQNN_SCHEDULE]) / 2700
    for found in searches:
        assert len(found["networks"]) == 12 and found["reason"] == "evaluations"
        best = max(x["reward"] for x in found["networks"])
        assert found["best"]["accuracy"] == best
        assert found["networks"][found["best"]["found_after"] - 1]["reward"] == best
        assert len(found["retrained"]["accuracies"]) == 2
        if found["method"] == "q-learning":
            wanted = [METAQNN_SCHEDULE[int((ends <= n / 12).sum())][0] for n in range(12)]
            assert [x["epsilon"] for x in found["networks"]] == wanted
    outcomes = [x["outcome"] for found in searches for x in found["networks"]]
    assert set(outcomes) == {"ok", "too_large"}
    used = [seed for found in searches[::2] for seed in found["retrained"]["seeds"]]
    assert len(set(used)) == 4, "no two searches share a retraining seed"


def test_the_page_says_what_the_results_hold(made: Path, experiment: Experiment) -> None:
    text = (made / "metaqnn.md").read_text("utf-8")
    assert "$" not in text and "nan" not in text
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    phases, best = ([x.strip("|").split("|") for x in y.splitlines()[2:]] for y in blocks)
    searches = page.searches_of(experiment)
    for row in phases:
        name = row[0].strip()
        method = "random" if name == "random search" else "q-learning"
        epsilon = None if method == "random" else float(name)
        means = [
            statistics.mean(100 * x["reward"] for x in y["networks"] if x["epsilon"] == epsilon)
            for y in searches
            if y["method"] == method
        ]
        assert row[2].strip() == f"{statistics.mean(means):.1f} ± {statistics.stdev(means):.1f}"
    assert sum(float(row[1]) for row in phases) == 2 * 12
    for row, found in zip(best, sorted(searches, key=lambda x: x["method"]), strict=True):
        tested = [100 * x for x in found["retrained"]["accuracies"]]
        assert row[1].strip() == str(found["seed"])
        assert row[2].strip() == f"{100 * found['best']['accuracy']:.2f}"
        assert row[-1].strip() == f"{statistics.mean(tested):.2f} ± {statistics.stdev(tested):.2f}"
    large = sum(x["outcome"] == "too_large" for y in searches[::2] for x in y["networks"])
    assert f"MetaQNN: {large} too large of 24" in text
    call = experiment.calls()[-1]
    assert call["command"] in text and call["versions"]["commit"] in text
    assert "</svg>" in (made / "metaqnn" / "phases.svg").read_text("utf-8")


def test_the_same_command_writes_the_same_page_without_the_data(made: Path) -> None:
    files = [made / "metaqnn.md", made / "metaqnn" / "phases.svg"]
    before = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    (made / "mnist_15k.npz").rename(made / "away.npz")
    try:
        run(made)
        assert [path.read_bytes() for path in files] == before
        refused = run(made, "--page", str(made / "other.md"), "--images", "61", code=2).stderr
        assert "no such file. Set --source to the folder of mnist_15k.npz" in refused
    finally:
        (made / "away.npz").rename(made / "mnist_15k.npz")


def test_what_cannot_work_is_refused(made: Path) -> None:
    changed = run(made, "--epochs", "2", code=2).stderr
    assert "was created with the settings {'epochs': 1}, got {'epochs': 2}" in changed
    few = run(made, "--images", "90", "--page", str(made / "few.md"), code=2).stderr
    assert "must have at least 110 images" in few
    assert "--networks must be >= 1" in run(made, "--networks", "0", code=2).stderr
    estimate = run(made, "--estimate", "3").stdout
    assert re.search(
        r"3 random networks: \d+\.\d\d s each, \d of them trained\. 4 searches", estimate
    )


def searches(*values: tuple[float, float]) -> dict[str, list[dict[str, Any]]]:
    """Return made-up searches whose best networks have these validation accuracies."""
    return {
        name: [{"seed": i, "best": {"accuracy": pair[k]}} for i, pair in enumerate(values)]
        for k, name in enumerate(page.METHODS)
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (((0.9, 0.8), (0.91, 0.8), (0.9, 0.79)), "MetaQNN **beat** random search"),
        (((0.8, 0.9), (0.8, 0.91), (0.79, 0.9)), "MetaQNN **lost** to random search"),
        (((0.9, 0.8), (0.91, 0.8), (0.79, 0.8)), "**No difference**"),
        (((0.9, 0.8), (0.801, 0.8), (0.801, 0.8)), "**No difference**"),
        (((0.9, 0.8),), "**No difference**"),
    ],
)
def test_the_verdict_needs_every_seed_and_two_standard_errors(
    values: tuple[tuple[float, float], ...], said: str
) -> None:
    text = page.verdict(searches(*values), page.on_validation, "validation")
    assert said in text
    assert f"of {len(values)} seeds" in text


def test_the_rolling_mean_is_that_of_the_latest() -> None:
    values = list(range(60))
    found = page.rolling(values)
    assert found[0] == 0 and found[3] == 1.5
    assert found[-1] == pytest.approx(np.mean(values[-page.WINDOW :]))


def test_the_committed_page_is_what_the_committed_results_make(tmp_path: Path) -> None:
    folder, options = ROOT / "docs" / "metaqnn", study.Options()
    shutil.copytree(folder, tmp_path / "metaqnn")
    made = Experiment(tmp_path / "metaqnn" / "results.jsonl", options.shared())
    assert made.missing(study.jobs(options)) == []
    page.write_page(made, tmp_path / "metaqnn.md")
    assert (tmp_path / "metaqnn.md").read_text("utf-8") == options.page.read_text("utf-8")
    chart = (tmp_path / "metaqnn" / "phases.svg").read_bytes()
    assert chart == (folder / "phases.svg").read_bytes()
