"""Searches on one's own data are exported and trained again from their folders."""

from __future__ import annotations

import ast
import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nas_env.architecture import Architecture
from nas_env.errors import IncompatibleError, InvalidDataError
from nas_env.export.folder import load_module
from nas_env.network import build
from nas_env.tasks.own_data import DataTask, own_data
from nas_env_cli.commands import retrain as retrain_command
from nas_env_cli.export.card import _metric
from nas_env_cli.export.exporting import export_run
from nas_env_cli.export.finished import FinishedRun
from nas_env_cli.export.longer_table import table as table_of
from nas_env_cli.export.longer_training import retrain_best
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.saved_options import to_json
from tests.nas_env_cli.export.test_export_run import PLAN, Watch
from tests.support.hidden_packages import hide_onnx
from tests.support.made_data import image_folder, table
from tests.support.tiny_search import TINY, script

SEARCH = (*TINY, "--epochs", "1", "--device", "cpu", "--export")


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on a table with numbers, text and missing values, with its network exported."""
    folder = tmp_path_factory.mktemp("houses")
    made = table(80).rename(columns={"label": 'is "it"\n<b>'})
    made["<i>"] = 1  # a column of one value is left out, and the card says so
    made["![x](u)\n# H"] = 1
    made.assign(price=1000 + 5 * made["size"]).to_csv(folder / "houses.csv", index=False)
    data = ("--data", folder / "houses.csv", "--target", "price", "--metric", "mae")
    script("search", *SEARCH, *data, "--problem", "regression", "--output", folder / "run")
    return folder


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on colour images by class that do not fit in memory; nothing is exported."""
    folder = tmp_path_factory.mktemp("pets")
    image_folder(folder / "pets", mode="RGB")
    data = ("--data", folder / "pets", "--image-size", "5", "--data-memory-mb", "0.001")
    script("search", *SEARCH[:-1], *data, "--metric", "f1", "--output", folder / "run")
    return folder


@pytest.fixture
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_onnx(monkeypatch)


def searched(run: FinishedRun) -> torch.nn.Module:
    """Return the network of a run's report."""
    architecture = Architecture.from_json(run.best["architecture"])
    network: Any = build(architecture, run.task.spec)
    network.load_state_dict(load_file(run.path / "best.safetensors"))
    if run.task.spec.modality == "image":
        network = network.to(memory_format=torch.channels_last)
    return network.eval()  # type: ignore[no-any-return]


def test_a_network_for_a_table_predicts_from_its_rows(houses: Path) -> None:
    run = FinishedRun.read(houses / "run")
    task: Any = run.task
    with (houses / "houses.csv").open(newline="") as file:
        rows = [{name: x or None for name, x in row.items()} for row in csv.DictReader(file)]
    rows = [rows[place] for place in task.data.rows["validation"]]
    module: Any = load_module(houses / "run" / "export")
    network = searched(run)
    with torch.inference_mode():
        outputs = network(task.tensors("validation")[0])
    answers = module.predict(module.load(), module.encode(rows))
    assert torch.equal(answers, outputs[:, 0].double() * task.target_sd + task.target_mean)
    mae = task.validate(network)["mae"]
    errors = np.abs(answers.numpy() - [float(row["price"]) for row in rows])
    assert errors.mean() == pytest.approx(mae)
    card = (houses / "run" / "export" / "card.md").read_text(encoding="utf-8")
    assert (
        f"| validation mae | {mae:.5g} |" in card and "| test mae over 2 training seeds |" in card
    )
    assert f"| validation mae in float32, in 8-bit integers | {mae:.5g}, " in card
    assert "accuracy" not in card and "classes" not in card
    assert "The target is the column 'price'. Column '&lt;i>' is" in card
    assert "60/20/20, stratified" in card and "<i>" not in card
    assert r"Column '\!\[x\](u)\\n# H' is left out" in card and "\n# H" not in card


def program_of(card: str) -> str:
    """Return the program that a model card shows."""
    (program,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    return str(program)


def outcome(program: str, folder: Path) -> str:
    """Return what a program prints that is run in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_card_of_a_table_says_what_it_predicts_and_how(houses: Path) -> None:
    folder = houses / "run" / "export"
    card = (folder / "card.md").read_text(encoding="utf-8")
    assert card.startswith("# A network that predicts `price`, trained on `houses.csv`\n")
    assert "- It predicts the column `price`: a number.\n" in card
    assert "- It needs columns of numbers: `age`, `size`.\n" in card
    assert "- It needs columns of text: `colour`, 'is \"it\"\ufffd&lt;b>'.\n" in card
    assert "- It was evaluated only on samples like those of `houses.csv`." in card
    assert str(houses) not in card and "<b>" not in card
    shutil.copy(houses / "houses.csv", folder / "new.csv")
    assert outcome(program_of(card), folder).startswith("tensor([")
    assert outcome(program_of(card), folder).count(",") >= 80


def test_mse_is_in_the_square_of_the_unit(houses: Path) -> None:
    data = houses / "houses.csv"
    spec = own_data(data, target="price", problem="regression", metric="mse").spec
    assert _metric(spec).startswith("mse, in the square of the target's unit; ")
    spec = own_data(data, target="price", problem="regression", metric="mae").spec
    assert _metric(spec).startswith("mae, in the target's unit; ")


def test_the_report_of_a_search_says_its_metric(houses: Path, tmp_path: Path) -> None:
    script("report", houses / "run", "--output", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "data: houses.csv (table, regression)" in text and str(houses) not in text
    (best, *_) = json.loads((houses / "run" / "summary.json").read_text())["retrained"]
    mean = np.mean(best["test_mae"])
    assert f"Test mae, retrained with 2 seeds: best of q-learning {mean:.5g} ± " in text
    assert "Test accuracy" not in text


def test_a_table_is_compared_with_scikit_learn(houses: Path, tmp_path: Path) -> None:
    summary = json.loads((houses / "run" / "summary.json").read_text())
    models = summary["sklearn"]["models"]
    assert [x["name"] for x in models] == ["ridge regression", "HistGradientBoosting"]
    assert summary["sklearn"]["notes"] == []
    text = (houses / "run" / "summary.md").read_text(encoding="utf-8")
    script("report", houses / "run", "--output", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Models of scikit-learn</h3>" in page
    best = json.loads((houses / "run" / "best.json").read_text())["found_by"]
    (ours,) = (x for x in summary["retrained"] if x["name"] == f"best of {best}")
    better = [x for x in models if x["test"] < np.mean(ours["test_mae"])]
    for x in models:
        row = x["name"], x["settings"], f"{x['validation']:.5g}", f"{x['test']:.5g}"
        assert f"| {' | '.join(row)} | " in text
        assert f"<td>{x['settings']}</td>" in page and f">{x['test']:.5g}</td>" in page
    (verdict,) = (x for x in summary["verdicts"] if x.startswith("By test mae, "))
    assert ("no model of scikit-learn is better" in verdict) == (not better)
    assert all(f"{x['name']} ({x['test']:.5g})" in verdict for x in better or models)
    assert verdict in text and "not exported" in text


def test_images_are_exported_as_they_were_searched(without_onnx: None, pets: Path) -> None:
    told = export_run(pets / "run")
    assert f"Exported to {pets / 'run' / 'export'}" in told
    run = FinishedRun.read(pets / "run")
    task: Any = run.task
    files = sorted((pets / "pets").rglob("*.png"))
    module: Any = load_module(pets / "run" / "export")
    raw = module.encode([files[place] for place in task.data.rows["validation"]])
    x = task.tensors("validation")[0]
    assert torch.equal(module.preprocess(raw), x)
    with torch.inference_mode():
        outputs = searched(run)(x)
        assert torch.equal(module.load()(module.preprocess(raw)), outputs)
    assert module.classify(module.load(), raw) == [task.classes[best] for best in outputs.argmax(1)]
    card = (pets / "run" / "export" / "card.md").read_text(encoding="utf-8")
    assert f"| validation F1, % | {100 * task.validate(searched(run))['f1']:.2f} |" in card
    assert "selected by its F1" in card and "accuracy" not in card
    assert card.startswith("# A network that distinguishes 3 classes, trained on `pets`\n")
    assert "- It predicts one of these classes: `cat`, `dog`, `owl`.\n" in card
    for name, place in (("one.png", 0), ("two.png", -1)):
        shutil.copy(files[place], pets / "run" / "export" / name)
    answers = ast.literal_eval(outcome(program_of(card), pets / "run" / "export"))
    assert answers == module.classify(module.load(), module.encode([files[0], files[-1]]))


def test_the_best_are_trained_again_by_the_metric_of_the_search(houses: Path) -> None:
    command = vars(retrain_command)
    options = command["Options"](houses / "run", top=2, seeds=2, epochs=2, device="cpu")
    assert command["run"](options) == 0
    text = (houses / "run" / "retrained.md").read_text(encoding="utf-8")
    data = json.loads((houses / "run" / "retrained.json").read_text())
    assert "| validation mae | test mae |" in text and "opened once" in text
    assert "accuracy" not in text and "points" not in text and "%" not in text
    run = FinishedRun.read(houses / "run")
    task: Any = run.task
    outputs = []
    for row in data["networks"]:
        (path,) = (run.path / "retraining").glob(f"{row['key']}-2-8.pt")
        left = torch.load(path, weights_only=True)
        network = build(Architecture.from_json(row["candidate"]["architecture"]), task.spec)
        network.load_state_dict(left["weights"])
        with torch.inference_mode():
            outputs.append(network.eval()(task._tensors("test", "cpu")[0])[:, 0])
        assert row["measured"][1]["test"] == task.test(network)["mae"]
        assert row["kept_epochs"][1] == 1 + left["curve"].index(min(left["curve"]))
        assert row["measured"][1]["validation"] == min(left["curve"])
    prices = task.data.y[task.data.rows["test"]]
    answers = torch.stack(outputs).mean(0).double().numpy() * task.target_sd + task.target_mean
    error = np.abs(answers - prices).mean()
    assert data["ensemble_by_seed"][1]["test"] == pytest.approx(error, rel=1e-5)
    change = data["ensemble_by_seed"][0]["test"] + data["ensemble_by_seed"][1]["test"]
    change -= sum(x["test"] for x in data["networks"][0]["measured"])
    assert ("better" if change <= 0 else "worse") + " than the network" in text


def test_more_than_fits_in_memory_is_trained_again(
    monkeypatch: pytest.MonkeyPatch, pets: Path
) -> None:
    task = own_data(pets / "pets", image_size=5, metric="f1", max_memory_mb=0.001)
    assert not task.data.in_memory
    watch, lines = Watch(monkeypatch), list[str]()
    data = retrain_best(FinishedRun.read(pets / "run", task), PLAN, log=lines.append)
    assert watch.told == ["train"] * 4 + ["test"] * 7
    assert all("validation F1 " in line and " %, " in line for line in lines)
    every = [x for row in data["networks"] for x in row["measured"]]
    assert all(0 <= x[name] <= 1 for x in every for name in ("validation", "test"))
    assert "| validation F1, % | test F1, % |" in table_of(data)
    assert "accuracy" not in table_of(data)


def test_a_failed_training_of_regression_counts_as_a_guess(houses: Path, tmp_path: Path) -> None:
    run = FinishedRun.read(Path(shutil.copytree(houses / "run", tmp_path / "run")))
    (run.path / "retrained.json").unlink(missing_ok=True)
    shutil.rmtree(run.path / "retraining", ignore_errors=True)
    from nas_env.evaluators.training import Training
    from nas_env.tasks.base import TrainingDiverged

    train = Training.train

    def fails(self: Training, candidate: Any, budget: Any, *rest: Any) -> Any:
        if budget.training_seed == 7:
            raise TrainingDiverged("as told")
        return train(self, candidate, budget, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "train", fails)
        data = retrain_best(run, PLAN, log=lambda text: None)
    assert data["ensemble_by_seed"][0]["test"] == run.task.spec.baseline_error
    assert "2 trainings failed; they count as the best constant guess" in table_of(data)


def test_other_data_are_refused(houses: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(houses, tmp_path / "copy"))
    file = copy / "run" / "options.json"
    options = json.loads(file.read_text())
    file.write_text(json.dumps({**options, "data": str(copy / "houses.csv")}))
    made: Any = FinishedRun.read(copy / "run").task
    assert isinstance(made, DataTask) and made.spec.metric == "mae"
    lines = (copy / "houses.csv").read_text().splitlines()
    (copy / "houses.csv").write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(IncompatibleError, match=r"have the hash .* Bring the old data back"):
        FinishedRun.read(copy / "run").task  # noqa: B018
    kept = (copy / "run" / "data.json").read_bytes()
    data = ("--data", copy / "houses.csv", "--target", "price", "--metric", "mae")
    how = (*data, "--problem", "regression", "--output", copy / "run", "--resume")
    for command in (("search", *SEARCH, *how), ("report", copy / "run")):
        assert "Bring the old data back, or search again" in script(*command, code=2).stderr
    assert (copy / "run" / "data.json").read_bytes() == kept


def test_data_that_were_moved_can_be_named(
    without_onnx: None, houses: Path, tmp_path: Path
) -> None:
    copy, moved = Path(shutil.copytree(houses, tmp_path / "copy")), tmp_path / "moved.csv"
    (copy / "run" / "retrained.json").unlink(missing_ok=True)  # of another test
    gone = copy / "houses.csv"
    options = json.loads((copy / "run" / "options.json").read_text())
    (copy / "run" / "options.json").write_text(json.dumps({**options, "data": str(gone)}))
    gone.rename(moved)
    told = f"{gone}: no such file or folder. The search read its data from there. Put them back"
    with pytest.raises(InvalidDataError) as refused:
        export_run(copy / "run")
    assert str(refused.value) == f"{told}, or give their new path with --data PATH."
    assert f"error: {told}.\n" in script("report", copy / "run", code=2).stderr
    assert "trained on `moved.csv`" in export_card(copy / "run", str(moved))
    command = vars(retrain_command)
    short = {"top": 1, "seeds": 1, "epochs": 1, "device": "cpu"}
    assert command["run"](command["Options"](copy / "run", **short)) == 2
    assert command["run"](command["Options"](copy / "run", data=str(moved), **short)) == 0
    moved.write_text("\n".join(moved.read_text().splitlines()[:-1]))
    with pytest.raises(IncompatibleError, match="Bring the old data back"):
        export_run(copy / "run", data=str(moved))


def export_card(run: Path, data: str) -> str:
    export_run(run, data=data)
    return (run / "export" / "card.md").read_text(encoding="utf-8")


def test_other_arrays_are_refused_too(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    run = tmp_path / "run"
    data = ("--task", "own-data", "--space", "mlp", "--data", tmp_path / "mine.npz")
    how = (*TINY, "--evaluator", "synthetic", *data, "--output", run)
    script("search", *how)
    assert "has finished" in script("search", *how, "--resume").stdout
    np.savez(tmp_path / "mine.npz", x=-x, y=y)
    (run / "summary.json").unlink()  # as if it had not finished
    for command in (("search", *how, "--resume"), ("report", run)):
        told = script(*command, code=2).stderr
        assert "The data of task 'own-data' have the hash" in told
        assert "Bring the old data back, or search again" in told


def test_the_report_reads_data_by_their_name(houses: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(houses / "run", tmp_path / "run"))
    options = json.loads((copy / "options.json").read_text())
    named = options | {"data": "torchvision:NoSuch", "target": None}
    (copy / "options.json").write_text(json.dumps(named))
    told = script("report", copy, code=2).stderr
    assert "torchvision" in told and "no such file" not in told


def test_a_path_is_kept_as_one_wherever_the_next_command_runs() -> None:
    assert to_json(SearchOptions.of(data="a:b.csv"))["data"] == str(Path("a:b.csv").resolve())
    assert to_json(SearchOptions.of(data="torchvision:MNIST"))["data"] == "torchvision:MNIST"


@pytest.mark.parametrize("how", ["moved", "linked", "copied"])
def test_a_search_goes_on_with_the_same_data_elsewhere(
    houses: Path, tmp_path: Path, how: str
) -> None:
    run, old, new = tmp_path / "run", tmp_path / "houses.csv", tmp_path / "other.csv"
    shutil.copy(houses / "houses.csv", old)
    data = ("--target", "price", "--metric", "mae", "--problem", "regression")
    script("search", *SEARCH[:-1], "--data", old, *data, "--output", run)
    finished = json.loads((run / "summary.json").read_text())["searches"]["q-learning"]["scores"]
    (run / "summary.json").unlink()  # as if it had not finished
    if how == "linked":
        old.rename(tmp_path / "real.csv")
        new.symlink_to(tmp_path / "real.csv")
        path = tmp_path / "real.csv"
    else:
        path = Path(shutil.copy(old, new))
        if how == "moved":
            old.unlink()
    if how != "copied":
        told = script("search", "--output", run, "--resume", code=2).stderr
        assert f"{old}: no such file or folder. The search read its data from there." in told
        assert "or give their new path with --data PATH" in told
    script("search", "--output", run, "--resume", "--data", new)
    assert json.loads((run / "options.json").read_text())["data"] == str(path)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["searches"]["q-learning"]["scores"] == finished
    assert summary["settings"]["data"] == str(path)
    script("report", run)
    new.unlink()
    new.write_text("\n".join((houses / "houses.csv").read_text().splitlines()[:-1]))
    told = script("search", "--output", run, "--resume", "--data", new, code=2).stderr
    assert "Bring the old data back" in told
    assert json.loads((run / "options.json").read_text())["data"] == str(path)


def test_arguments_are_not_added_twice_when_a_command_is_repeated(tmp_path: Path) -> None:
    words = ("--import", "tests.support.injected_fault", "--agent-option", "learning_rate=0.2")
    how = ("--task", "digits", *TINY, "--evaluator", "synthetic", *words, "--output", tmp_path)
    script("search", *how)
    before = json.loads((tmp_path / "options.json").read_text())
    assert before["imports"] == ["tests.support.injected_fault"]
    assert "has finished" in script("search", *how, "--resume").stdout
    assert "has finished" in script("search", "--output", tmp_path, "--resume").stdout
    assert json.loads((tmp_path / "options.json").read_text()) == before
    other = ("--import", "tests.support.made_data", "--output", tmp_path, "--resume")
    assert "was begun with imports=" in script("search", *other, code=2).stderr
