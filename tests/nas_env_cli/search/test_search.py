"""The search command as its user runs it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from nas_env.store import SQLStore
from tests.support.interrupts import listen
from tests.support.paths import NAS_ENV, ROOT
from tests.support.programs import run_program

FREE = ("--evaluator", "synthetic")
SMALL = ("--evaluations", "4", "--epochs", "1", "--retrain-seeds", "2")


def search(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [*NAS_ENV, "search", *map(str, arguments)]
    done = run_program(command)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def rows(folder: Path, name: str = "store.sqlite") -> list[dict]:
    with sqlite3.connect(folder / name) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM evaluations")]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "run"
    search("--task", "digits", "--agent", "q-learning", *SMALL, "--output", folder)
    return folder


def test_the_folder_holds_everything(run):
    names = {path.name for path in run.iterdir()}
    wanted = {"store.sqlite", "tensorboard", "best.json", "best.svg", "best.png"}
    assert wanted | {"best.safetensors", "summary.md", "summary.json", "options.json"} <= names
    assert list(run.rglob("events.out.tfevents*"))
    assert (run / "best.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (run / "best.svg").read_text()


def test_a_limit_on_latency_is_measured_kept_and_told(tmp_path):
    arguments = ("--agent", "random", "--task", "wine", *SMALL)
    search(*arguments, "--max-latency-ms", "1000", "--output", tmp_path / "all")
    summary = json.loads((tmp_path / "all/summary.json").read_text())
    assert all(0 < x["latency_ms"] < 1000 for x in summary["retrained"])
    assert "| MACs | latency, ms |" in (tmp_path / "all/summary.md").read_text()
    none = search(
        *arguments, "--max-latency-ms", "1e-6", "--output", tmp_path / "none", check=False
    )
    assert {row["outcome"] for row in rows(tmp_path / "none")} == {"too_large"}
    assert "Traceback" not in none.stderr


def test_the_store_has_the_promised_columns(run):
    columns = {"candidate_key", "fingerprint", "budget", "training_seed", "outcome", "score"}
    stored = rows(run)
    assert columns | {"accuracy", "loss", "params", "macs", "seconds"} <= stored[0].keys()
    assert 7 <= len(stored) <= 11  # three of the portfolio, and four of each search, some in common
    assert all(row["outcome"] == "ok" and 0 < row["score"] <= 1 for row in stored)


def test_the_summary_is_complete_and_consistent(run):
    summary = json.loads((run / "summary.json").read_text())
    assert [x["name"] for x in summary["retrained"]] == [
        "best of q-learning",
        "best of portfolio",
        "best of random",
    ]
    assert summary["retrained"][1]["reference"] in ("plain-cnn", "residual-cnn", "lenet")
    assert all(len(x["test_accuracies"]) == 2 for x in summary["retrained"])
    assert summary["noise_floor"]["one_test_sample"] == pytest.approx(1 / 359)
    assert summary["settings"]["seed"] == 0
    assert summary["settings"]["versions"]["torch"]
    assert len(summary["settings"]["data_hash"]) == 64
    best = summary["searches"]["q-learning"]["best"]
    assert best["score"] == max(summary["searches"]["q-learning"]["scores"])
    saved = json.loads((run / "best.json").read_text())
    assert saved["key"] == summary["searches"][saved["found_by"]]["best"]["key"]
    means = {x["key"]: statistics.fmean(x["validation_scores"]) for x in summary["retrained"]}
    assert means[saved["key"]] == max(means.values())
    assert list(summary["searches"]) == ["q-learning", "portfolio", "random"]


def test_the_weights_fit_the_network(run):
    from safetensors.torch import load_file

    from nas_env.architecture import Architecture
    from nas_env.network import build
    from nas_env.tasks import TASKS

    saved = json.loads((run / "best.json").read_text())
    task = TASKS.get("digits")()
    network = build(Architecture.from_json(saved["architecture"]), task.spec)
    network.load_state_dict(load_file(run / "best.safetensors"))
    summary = json.loads((run / "summary.json").read_text())
    (row,) = (x for x in summary["retrained"] if x["key"] == saved["key"])
    assert task.test(network)["accuracy"] == row["test_accuracies"][0]


def test_event_files_hold_the_promised_curves(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard" / "search" / "q-learning"))
    events.Reload()
    promised = {"return", "best_score", "unique_networks", "illegal_share"}
    assert {f"search/{name}" for name in promised} <= set(events.Tags()["scalars"])
    assert "train/epsilon" in events.Tags()["scalars"]
    assert "search/best_network" in events.Tags()["images"]


def test_a_finished_search_is_not_run_again(run):
    before = (run / "summary.json").stat().st_mtime_ns
    done = search("--agent", "q-learning", *SMALL, "--output", run, "--resume")
    assert "has finished" in done.stdout
    assert (run / "summary.json").stat().st_mtime_ns == before


def test_a_used_folder_is_refused(run):
    done = search("--agent", "q-learning", *SMALL, "--output", run, check=False)
    assert done.returncode == 2
    assert "--resume" in done.stderr and "Traceback" not in done.stderr


def test_other_options_are_refused_on_resume(run):
    done = search("--agent", "random", *SMALL, "--output", run, "--resume", check=False)
    assert done.returncode == 2
    assert "agent='q-learning'" in done.stderr


def test_an_interrupted_search_goes_on_to_the_same_end(tmp_path):
    arguments = ["--agent", "random", "--evaluations", "12", "--epochs", "2"]
    arguments += ["--retrain-seeds", "1", "--seed", "5"]
    folder = tmp_path / "broken"
    command = [*NAS_ENV, "search", *arguments, "--output", str(folder)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "store.sqlite").is_file() and (kept := _count(folder)) >= 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors and "kept" in errors
    assert f"nas-env search {' '.join(arguments)} --output {folder} --resume" in errors
    assert errors.rstrip().endswith(f"--output {folder} --resume")
    assert kept <= len(rows(folder)) < 12
    search(*arguments, "--output", folder, "--resume")
    search(*arguments, "--output", tmp_path / "whole")
    scores = [
        json.loads((path / "summary.json").read_text())["searches"]["random"]["scores"]
        for path in (folder, tmp_path / "whole")
    ]
    assert scores[0] == scores[1] and len(scores[0]) == 12


@pytest.mark.parametrize("workers", [None, 2])
def test_two_interrupts_end_it_at_once(tmp_path, workers):
    options = ["--agent", "random", "--evaluations", "500", "--epochs", "8"]
    if workers is not None:
        options += ["--workers", str(workers)]
    command = [*NAS_ENV, "search", *options, "--output", str(tmp_path / "run")]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=listen
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and _count(tmp_path / "run") < 2:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert bool(children) == bool(workers)
    began = time.monotonic()
    for _ in range(2):  # as Ctrl-C: to the whole group
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    assert process.wait(timeout=10) == 130
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert time.monotonic() - began < 20
    stored = rows(tmp_path / "run")
    assert 2 <= len(stored) < 500
    assert {row["outcome"] for row in stored} == {"ok"}


def test_a_shared_store_keeps_the_search_on_record(tmp_path):
    store = tmp_path / "shared.sqlite"
    options = ["--agent", "random", *SMALL, "--max-memory-mb", "1e5", "--output", tmp_path / "run"]
    search(*options, "--store", store)
    assert len(rows(tmp_path, "shared.sqlite")) == 7  # three of them of the portfolio
    assert not (tmp_path / "run" / "store.sqlite").exists()
    kept = SQLStore(store)
    [_, found] = kept.searches()
    assert (found.reason, found.info.agent, found.info.seed) == ("evaluations", "random", 0)
    about = found.info.environment
    assert (about["id"], about["limits"]["evaluations"]) == ("NAS-v0", 4)
    assert about["budget"]["max_memory_mb"] == 1e5
    assert {"torch", "numpy", "python"} <= found.info.versions.keys()
    assert len(found.info.git_commit) == 40
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    scores = summary["searches"]["random"]["scores"]
    assert [x.score for x in kept.entries(found.id) if x.new] == scores
    saved = json.loads((tmp_path / "run" / "options.json").read_text())
    assert saved["store"] == str(store)
    assert not {"workers", "retry_failed", "resume", "output"} & saved.keys()
    (tmp_path / "run" / "summary.json").unlink()
    again = search(*options, "--store", tmp_path / "other.sqlite", "--resume", check=False)
    assert again.returncode == 2
    assert "was begun with store=" in again.stderr
    assert not (tmp_path / "other.sqlite").exists()


def _count(folder: Path) -> int:
    try:
        return len(rows(folder))
    except sqlite3.OperationalError:
        return 0


def test_own_data_and_limits(tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "mine.npz"
    y = rng.integers(3, size=120)
    np.savez(file, x=rng.normal(size=(120, 6)) + 3 * y[:, None], y=y)
    done = search(
        "--agent",
        "ppo",
        "--data",
        file,
        *SMALL,
        "--max-params",
        "500",
        "--output",
        tmp_path / "run",
    )
    assert "best of ppo" in done.stdout
    assert all(row["params"] <= 500 for row in rows(tmp_path / "run"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--agent", "maskable-pp"), "Did you mean 'maskable-ppo'"),
        (("--task", "digit"), "Did you mean 'digits'"),
        (("--space", "mlp", "--task", "digits"), "Spaces that fit"),
        (("--data", "absent.npz"), "no such file"),
        (("--evaluations", "0"), "must be > 0"),
        (("--max-params", "3"), "The smallest has"),
        (("--resume",), "no search to continue"),
        (("--agent", "q-learning", "--preset", "metaqn"), "Did you mean 'metaqnn'"),
        (("--preset", "metaqnn"), "'imagination' has no presets"),
        (("--store", "/no/such/folder/all.sqlite"), "file in an existing folder"),
    ],
)
def test_bad_options_are_refused_and_write_nothing(arguments, message, tmp_path):
    folder = tmp_path / "run"
    done = search(*FREE, *arguments, "--output", folder, check=False)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not folder.exists()


def test_a_preset_is_for_the_agent_and_recorded(tmp_path):
    options = ("--agent", "q-learning", "--preset", "metaqnn", "--evaluations", 3)
    search(*FREE, *options, "--output", tmp_path / "run")
    store = SQLStore(tmp_path / "run" / "store.sqlite")
    recorded = {x.info.agent: x.info.settings for x in store.searches()}
    store.close()
    assert recorded["q-learning"]["bins"] and recorded["q-learning"]["replay_only"]
    assert recorded["random"] == {}


def test_a_search_goes_on_only_in_a_folder_that_is_named():
    done = search(*FREE, "--resume", check=False)
    assert done.returncode == 2 and "Give the folder with --output" in done.stderr


def test_the_summary_counts_what_failed(tmp_path):
    options = ("--agent", "random", *SMALL, "--max-memory-mb", "0.001")
    done = search(*options, "--output", tmp_path / "run")
    assert "| random | 4 | 4 too_large |" in done.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["searches"]["random"]["outcomes"] == {"too_large": 4}
    again = search(*options, "--output", tmp_path / "run", "--resume", "--retry-failed")
    assert "No network was evaluated again" in again.stdout
    assert summary["verdicts"][0] == (
        "All networks of random failed (4 too_large): its best network is the first of them."
    )
    for script in ("export", "retrain"):
        command = [*NAS_ENV, script.replace("_", "-"), str(tmp_path / "run")]
        done = run_program(command)
        assert done.returncode == 2
        assert "failed (4 too_large). Search again, with looser limits" in done.stderr


def test_an_interrupt_while_workers_start_is_told_without_a_traceback(tmp_path):
    command = [*NAS_ENV, "search", "--agent", "random", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--output", str(tmp_path / "run")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if psutil.Process(process.pid).children():  # the server, which imports now
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C: to the whole group
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors and "Interrupted" in errors


def test_free_scores_are_not_retrained(tmp_path):
    done = search(*FREE, "--agent", "dqn", "--evaluations", "40", "--output", tmp_path / "run")
    assert "retrained with" not in done.stdout
    assert not (tmp_path / "run" / "best.safetensors").exists()
    assert (tmp_path / "run" / "best.json").exists()


def test_help_reads_well():
    text = search("--help").stdout
    for option in ("--agent", "--env", "--space", "--task", "--data", "--objective", "--resume"):
        assert option in text
    for option in ("--evaluations", "--seconds", "--until-score", "--seed", "--device", "--output"):
        assert option in text
    assert "--no-resume" not in text


def test_own_data_are_shown_and_chosen_from_before_the_search(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["area,town,price"]
    for number in range(120):
        area, town = rng.uniform(40, 200), "AB"[number % 2]
        lines.append(f"{area:.1f},{town},{3 * area + 50 * (town == 'B'):.2f}")
    (tmp_path / "houses.csv").write_text("\n".join(lines))
    options = ("--data", tmp_path / "houses.csv", "--target", "price", "--agent", "random", *SMALL)
    done = search(*options, "--max-macs", "2000", "--output", tmp_path / "run")
    shown = done.stdout.index("72 training, 24 validation, 24 test")
    assert (
        shown < done.stdout.index("--metric mse: mean squared error") < done.stdout.index("# Sea")
    )
    assert "--epochs 1: set by you" in done.stdout and "| network | test mse |" in done.stdout
    data = json.loads((tmp_path / "run" / "data.json").read_text())
    assert data["chosen"]["space"] == "mlp" and data["chosen"]["batch_size"] == 8 * 2
    assert [x["name"] for x in data["preprocessing"][0]["columns"]] == ["area", "town"]
    stored = rows(tmp_path / "run")
    assert all(json.loads(row["candidate"])["recipe"]["batch_size"] == 16 for row in stored)
    assert {row["outcome"] for row in stored if (row["macs"] or 0) > 2000} == set()
    assert all("MACs, limit 2,000" in x["message"] for x in stored if x["outcome"] != "ok")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert len(summary["retrained"][0]["test_mse"]) == 2
    assert all(x["macs"] <= 2000 for x in summary["retrained"])
    assert summary["searches"]["portfolio"]["outcomes"] == {"ok": 1, "too_large": 1}
    assert {"mse", "mae", "r2"} < set(summary["retrained"][0]["test_metrics"][0])
    assert summary["settings"]["metric"] == "mse"
    again = search(*options, "--max-macs", "2000", "--output", tmp_path / "run", "--resume")
    assert "has finished" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "f1"), "Option --metric is about --data. Give --data, without --task."),
        (("--data", "absent/"), "absent/: no such file or folder"),
        (("--data", "tests/support/table.csv"), "which column is the target?"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_written(arguments, message, tmp_path):
    done = search(*FREE, *arguments, "--output", tmp_path / "run", check=False)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("compare", ["random", "none"])
def test_a_time_limit_bounds_the_whole_command(tmp_path, compare):
    began = time.monotonic()
    options = ["--task", "digits", "--epochs", "2", "--seconds", "25", "--compare", compare]
    done = search(*options, "--agent", "random" if compare == "none" else "q-learning",
                  "--output", tmp_path / "run")  # fmt: skip
    assert time.monotonic() - began < 100  # without the limit it would not end
    assert "time limit 25 s:" in done.stderr
    assert ("comparison" in done.stderr) is (compare == "random")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    reasons = {name: x["reason"] for name, x in summary["searches"].items()}
    assert reasons.pop("portfolio") in ("evaluations", "seconds")
    assert set(reasons.values()) == {"seconds"}
    assert len(reasons) == 1 + (compare == "random")
    assert summary["retrained"] and (tmp_path / "run" / "best.safetensors").is_file()
    spent = json.loads((tmp_path / "run" / "time.json").read_text())
    assert spent["limit"] == 25 and 0 < spent["spent"] < time.monotonic() - began
    for x in summary["searches"].values():  # without the stages after the search
        assert 0 < x["charged_seconds"] < x["wall_seconds"]["total"] + 1
