"""The cases of docs/cases.md: their data, and searches that are run once and read as they are."""

from __future__ import annotations

import io
import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidDataError, InvalidSettingError, NASError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.export import export
from nas_env.network import build
from nas_env.objectives.metric import TaskMetric
from nas_env.tasks.own_data import own_data
from scripts.studies.cases import example_data, searches, study
from scripts.studies.cases.definitions import CASES, Case
from scripts.studies.cases.example_data import DATA, Data, write_data
from scripts.studies.cases.exported import exported_score
from scripts.studies.cases.page import FIRST_SEED
from tests.support.hidden_packages import hide_onnx
from tests.support.made_data import image_folder, table
from tests.support.paths import ROOT


def test_cases_data_and_names_are_the_same() -> None:
    names = example_data.Name.__args__  # type: ignore[attr-defined]
    assert tuple(CASES) == tuple(DATA) == names


def options_in(folder: Path, *names: Any, **more: Any) -> study.Options:
    places = {"data": folder / "data", "runs": folder / "runs", "page": folder / "cases.md"}
    return study.Options(names, source=folder / "sources", **places, **more)


@pytest.mark.parametrize("name", [name for name, x in DATA.items() if x.source])
def test_a_case_without_its_source_is_refused_before_anything_starts(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidDataError) as refused:
        study.run(options_in(tmp_path, "diabetes", name))
    file = tmp_path / "sources" / DATA[name].source
    assert str(refused.value) == (
        f"Case {name} needs the file {file}, which does not exist. Set --source to its folder, or "
        "name other cases."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["seeds", "minutes"])
def test_options_out_of_range_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match=f"--{option} must be"):
        study.run(options_in(tmp_path, "diabetes", **{option: 0}))


# The data


def test_digits_are_the_images_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    write_data(DATA["digits"], tmp_path, tmp_path / "digits")
    files = sorted(tmp_path.glob("digits/*/*.png"), key=lambda x: x.name)
    images, labels = load_digits(return_X_y=True)
    assert [int(x.parent.name) for x in files] == labels.tolist()
    pixels = np.stack([np.asarray(Image.open(x)).ravel() for x in files])
    assert np.array_equal(pixels, 15 * images)


def test_tables_keep_their_split(tmp_path: Path) -> None:
    rows = table(40).assign(is_test=np.arange(40) % 4 == 0)
    rows.to_parquet(tmp_path / "adult.parquet", index=False)
    write_data(DATA["adult"], tmp_path, tmp_path / "data.parquet")
    written = pandas.read_parquet(tmp_path / "data.parquet")
    assert written.drop(columns="split").equals(rows.drop(columns="is_test"))
    task = own_data(tmp_path / "data.parquet")
    assert task.data.rows["test"].tolist() == list(range(0, 40, 4))
    assert "is_test" not in str(task.preprocessing)


def test_photographs_are_files_by_split_and_class(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"classes": np.array(["cat", "dog"])}
    wanted = {}
    for split, count in (("train", 6), ("test", 4)):
        parts = []
        for place in range(count):
            buffer = io.BytesIO()
            Image.new("RGB", (8, 8), (20 * place, 0, 0)).save(buffer, "jpeg")
            name = ("cat", "dog")[place % 2]
            wanted[f"{split}/{name}/{place:05}.jpg"] = buffer.getvalue()
            parts.append(buffer.getvalue())
        arrays[f"jpeg_{split}"] = np.frombuffer(b"".join(parts), np.uint8)
        arrays[f"offset_{split}"] = np.cumsum([0, *map(len, parts)])
        arrays[f"y_{split}"] = np.arange(count) % 2
    np.savez(tmp_path / "cifar10_jpeg_12k.npz", **arrays)
    write_data(DATA["photographs"], tmp_path, tmp_path / "out")
    files = (tmp_path / "out").rglob("*.jpg")
    assert {x.relative_to(tmp_path / "out").as_posix(): x.read_bytes() for x in files} == wanted


def test_an_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def fails(_: Path, output: Path) -> None:
        output.mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_data(Data(fails), tmp_path, tmp_path / "out")
    assert not list(tmp_path.iterdir())


# The exported network


def folder_of_images(folder: Path) -> Path:
    return image_folder(folder / "images", splits=("train", "test"))


def arrays(folder: Path) -> Path:
    x = np.random.default_rng(0).integers(0, 256, (90, 6, 5), dtype=np.uint8)
    y = np.arange(90) % 3
    np.savez(folder / "x.npz", x_train=x[:70], y_train=y[:70], x_test=x[70:], y_test=y[70:])
    return folder / "x.npz"


def csv(folder: Path) -> Path:
    table(90).to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def parquet(folder: Path) -> Path:
    rows = table(90).assign(split=np.where(np.arange(90) % 5, "train", "test"))
    rows["colour"] = rows["colour"].astype("category")
    rows.assign(age=rows["age"].astype("float32")).to_parquet(folder / "x.parquet")
    return folder / "x.parquet"


@pytest.mark.parametrize("made", [folder_of_images, arrays, csv, parquet])
def test_the_score_of_an_exported_network_is_that_of_the_task(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_onnx(monkeypatch)
    data = made(tmp_path)
    task = own_data(data)
    layer = Layer.of("conv", channels=4, kernel=3)
    if task.spec.modality == "vector":
        layer = Layer.of("linear", units=6)
    torch.manual_seed(0)
    network: Any = build(Architecture((layer,)), task.spec).eval()
    if task.spec.modality == "image":
        network = network.to(memory_format=torch.channels_last)
    export(Architecture((layer,)), network.state_dict(), task, tmp_path / "out")
    evaluation = Evaluation(Outcome.OK, task.validate(network))
    assert exported_score(task, data, tmp_path / "out") == TaskMetric.of(task.spec).score(
        evaluation
    )


# A search


def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the cases by a small one, with few networks of few epochs."""

    def write(_: Path, output: Path) -> None:
        rows = table(120).drop(columns="label")
        rows.assign(price=3 * rows["size"] + rows["age"].fillna(40) / 10).to_csv(output)

    few = ("--evaluations", "2", "--epochs", "2", "--retrain-seeds", "2")
    options = ("--target", "price", "--metric", "mae", "--problem", "regression", *few)
    case = Case("Tiny", "A table.", Data(write, "", ".csv"), options)
    monkeypatch.setattr(study, "CASES", {"tiny": case})


def test_a_search_is_run_once_and_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(monkeypatch)
    options = options_in(tmp_path, "tiny", seeds=1, minutes=10)
    assert study.run(options) == 0
    ((job, record),) = study.experiment_of(options).results()
    assert job == {"case": "tiny", "seed": FIRST_SEED}
    run = tmp_path / "runs" / f"tiny-{FIRST_SEED}"
    summary = json.loads((run / "summary.json").read_text())
    best = json.loads((run / "best.json").read_text())
    rows = {x["name"].removeprefix("best of "): x for x in summary["retrained"]}
    kept = rows[best["found_by"]]
    assert record["kept"]["search"] == best["found_by"]
    assert record["kept"]["tests"] == [x["mae"] for x in kept["test_metrics"]]
    assert record["own"]["tests"] == [x["mae"] for x in rows["imagination"]["test_metrics"]]
    assert record["portfolio"]["reference"] in ("linear", "mlp")
    scores = record["validation_score"]
    assert scores["exported"] == scores["evaluated"] == kept["validation_scores"][0]
    assert record["sklearn"] in summary["sklearn"]["models"]
    assert record["int8_bytes"] == (run / "export" / "network.int8.onnx").stat().st_size
    assert 0 < record["seconds"] <= record["wall_seconds"] and not record["resumed"]
    assert 0 < record["equal_seconds"]["seconds"] < record["seconds"]
    written = options.page.read_text("utf-8")
    test = f"{fmean(record['kept']['tests']):.5g}"
    assert f"| Tiny (1 seed) | mae | {test} | 1 " in written
    assert all(f"- {line}" in written for line in summary["verdicts"])
    before = options.page.read_bytes()
    monkeypatch.setattr(searches, "run_command", pytest.fail)
    assert study.run(options) == 0
    assert options.page.read_bytes() == before

    weights = torch.load(run / "export" / "weights.pt", weights_only=True)
    torch.save({k: torch.zeros_like(x) for k, x in weights.items()}, run / "export" / "weights.pt")
    table_file = tmp_path / "data" / "tiny.csv"
    changed = searches.record_of(run, table_file)["validation_score"]
    assert changed["exported"] != changed["evaluated"]
    (run / "summary.json").write_text(json.dumps({**summary, "retrained": []}))
    with pytest.raises(NASError, match=r"no time to retrain a network\. Raise --minutes"):
        searches.record_of(run, table_file)


def test_an_interrupted_search_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(searches, "run_command", lambda words, log: commands.append(list(words)))
    monkeypatch.setattr(searches, "record_of", lambda run, data: {"run": run.name})
    run = tmp_path / "mine-1000"
    for resumed in (False, True):
        record = searches.searched(CASES["diabetes"], tmp_path / "x.csv", run, 1000, 10)
        assert (commands[-1][-1] == "--resume") == resumed == record["resumed"]
        assert "--resume" not in record["command"]
        run.mkdir(exist_ok=True)
        (run / "options.json").write_text("{}")
    assert commands[0][:4] == ["nas-env", "search", "--data", str(tmp_path / "x.csv")]
    assert commands[0][4:-3] == [
        *("--target", "target", "--metric", "mae", "--minutes", "10"),
        *("--seed", "1000"),
    ]


def test_a_command_that_fails_says_where_its_output_is(tmp_path: Path) -> None:
    words = ["python", "-c", "print('so it was'); exit(3)"]
    with pytest.raises(NASError, match=r"(?s)Exit code 3 from .*its output is in .*so it was"):
        searches.run_command(words, tmp_path / "mine.log")


def test_an_interrupt_lets_the_command_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "mine.log"
    program = (
        "import time\ntry:\n    print('began', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.3)\n    print('ended in order')"
    )

    def interrupt() -> None:
        while "began\n" not in (log.read_text() if log.is_file() else ""):
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            searches.run_command(["python", "-c", program], log)
    finally:
        signal.signal(signal.SIGINT, before)
    assert log.read_text().endswith("began\nended in order\n")


def test_jobs_are_the_searches_and_one_fit_for_images() -> None:
    options = replace(study.Options(("digits", "adult")), seeds=2)
    assert study.jobs(options) == [
        {"case": "digits", "seed": 1000},
        {"case": "digits", "seed": 1001},
        {"case": "digits", "model": "svc"},
        {"case": "adult", "seed": 1000},
        {"case": "adult", "seed": 1001},
    ]


def test_data_and_runs_of_the_cases_are_ignored_by_git() -> None:
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert study.Options().data.parts[0] == "data" and "/data/" in ignored
    assert study.Options().runs.parts[0] == "runs" and "runs/" in ignored
