"""What comes out of a finished search: nas-env export and nas-env retrain."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import IncompatibleError, InvalidSettingError, StoreError
from nas_env.evaluators.training import Training
from nas_env.export import folder as export_folder
from nas_env.export.calibration import calibration_error
from nas_env.export.ensemble import Ensemble
from nas_env.network import build
from nas_env.tasks import TASKS
from nas_env.tasks.base import TrainingDiverged
from nas_env.tasks.supervised import SupervisedTask
from nas_env_cli.commands import export as export_command
from nas_env_cli.export import card
from nas_env_cli.export.exporting import export_run
from nas_env_cli.export.finished import FinishedRun
from nas_env_cli.export.longer_table import table
from nas_env_cli.export.longer_training import LongerPlan, best_of, retrain_best
from nas_env_cli.export.report_training import retrain_found
from nas_env_cli.search.application import best_found
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.plan import SearchPlan
from tests.support.hidden_packages import hide
from tests.support.tiny_search import TINY, script

LONGER = "that were trained longer the best on validation, found by "
SOURCE = "export/network.py"
TASK: Any = TASKS.get("digits")()
PLAN = LongerPlan(top=2, seeds=2, epochs=2, device="cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose network was exported at its end."""
    path = tmp_path_factory.mktemp("runs") / "run"
    script("search", "--task", "digits", *TINY, "--epochs", 1, "--output", path, "--export")
    return path


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "untrained"
    script("search", "--task", "digits", *TINY, "--evaluator", "synthetic", "--output", path)
    return path


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.mark.parametrize(
    ("theirs", "ok", "winner"),
    [(0.8, True, "ppo"), (0.7, True, "ppo"), (0.9, True, "random"), (0.8, False, "random")],
)
def test_the_best_network_is_that_of_the_better_search(
    theirs: float, ok: bool, winner: str
) -> None:
    trials: Any = {
        "ppo": SimpleNamespace(score=0.8, evaluation=SimpleNamespace(ok=ok)),
        "random": SimpleNamespace(score=theirs, evaluation=SimpleNamespace(ok=True)),
    }
    results: Any = {name: SimpleNamespace(best=trial) for name, trial in trials.items()}
    assert best_found(results) == (winner, trials[winner])


@pytest.mark.parametrize(("most", "marked"), [(None, False), (100_000, False), (100, True)])
def test_a_network_over_the_limit_is_marked(most: int | None, marked: bool, tmp_path: Path) -> None:
    small = Candidate(Architecture((Layer.of("linear", units=4),)))
    best = SimpleNamespace(candidate=small, score=0.5, evaluation=SimpleNamespace(ok=True))
    results: Any = {
        "random": SimpleNamespace(best=best, names={}),
        "portfolio": SimpleNamespace(best=best, names={small.key: "tiny"}),
    }
    options = SearchOptions.of(agent="random", epochs=1, retrain_seeds=2)
    plan = SearchPlan.resolve(options)
    plan = replace(plan, options=plan.options.changed(max_params=most))
    trained = retrain_found(plan, results, tmp_path / "store.sqlite")
    over = " (over the limit)" * marked
    assert [x.name for x in trained] == [
        f"best of random{over}",
        f"best of portfolio{over}",
    ]
    assert [x.reference for x in trained] == ["tiny", "tiny"]
    assert trained[0].scores == trained[1].scores
    assert len(trained[0].scores) == len(trained[0].validation_scores) == 2


def test_the_search_exports_where_it_is_asked_to(made: Path) -> None:
    names = {path.name for path in (made / "export").glob("*.*")}
    assert {"network.py", "weights.pt", "network.onnx", "network.int8.onnx", "card.md"} <= names
    task = TASKS.get("digits")()
    best = json.loads((made / "best.json").read_text())
    searched: Any = build(Architecture.from_json(best["architecture"]), task.spec)
    searched.load_state_dict(load_file(made / "best.safetensors"))
    searched = searched.to(memory_format=torch.channels_last).eval()
    x, _ = task.tensors("validation")  # type: ignore[attr-defined]
    with torch.inference_mode():
        assert torch.equal(export_folder.load(made / "export")(x), searched(x))


def test_the_card_says_what_is_known(made: Path) -> None:
    card = (made / "export" / "card.md").read_text(encoding="utf-8")
    summary = json.loads((made / "summary.json").read_text())
    found_by, settings = FinishedRun.read(made).found_by, summary["settings"]
    (row,) = (x for x in summary["retrained"] if x["key"] == FinishedRun.read(made).best["key"])
    tested = row["test_accuracies"]
    assert f"- weights: of the search's report, for the best network, found by {found_by}" in card
    assert settings["data_hash"] in card
    assert "1,078 training, 360 validation, 359 test samples" in card
    assert f"| test accuracy, % | {100 * tested[0]:.2f} |" in card
    assert "| test accuracy over 2 training seeds, % |" in card
    assert f"- training seed: {summary['retraining_seeds'][0]}" in card
    assert all(f"- {name}: {value}" in card for name, value in settings["versions"].items())
    assert all(f"- {line}" in card for line in summary["verdicts"])
    for name in ("q-learning", "random"):
        found = summary["searches"][name]
        assert f"| {name} | 4 | {found['charged_epochs']} |" in card
    sizes = re.findall(r"^\| `([\w.]+)` \| ([\d,]+) \|", card, re.MULTILINE)
    assert len(sizes) == 7
    for name, size in sizes:
        assert (made / "export" / name).stat().st_size == int(size.replace(",", ""))
    assert "was read only for the report of the search. Each" in card
    assert card.startswith("# A network for digits\n")
    assert "- It predicts one of 10 classes, given as an index.\n" in card
    assert "from network import MEAN, SD, predict, load" in card
    assert "samples = MEAN + SD * torch.randn(2, 1, 8, 8)  # replace" in card
    assert "2.64 points" in card  # the largest standard error of a share over 359 samples


@pytest.fixture
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test write ONNX that need not, for it takes long."""
    hide(monkeypatch, "onnx")


def test_an_export_is_the_same_at_every_time(
    without_onnx: None, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = vars(export_command)
    assert command["run"](command["Options"](made, output=tmp_path / "out")) == 0
    shown = capsys.readouterr().out
    assert f"Exported to {tmp_path / 'out'}" in shown and 'pip install "nas-env[onnx]"' in shown
    for name in ("network.py", "network.json", "weights.safetensors"):
        first, again = (path / name for path in (made / "export", tmp_path / "out"))
        assert first.read_bytes() == again.read_bytes(), name


def test_a_run_without_weights_says_how_to_get_them(without_onnx: None, untrained: Path) -> None:
    refused = script("export", untrained, code=2).stderr
    assert "'synthetic' trains nothing" in refused and "--train" in refused
    export_run(untrained, train=True, device="cpu")
    card = (untrained / "export" / "card.md").read_text(encoding="utf-8")
    assert "the test split was not opened for them" in card
    assert "The test\n  split was not read. Each" in card
    assert "test accuracy" not in card
    assert "`network.onnx` was left out: It needs onnx, which is not" in " ".join(card.split())


def test_the_card_says_which_limits_there_were(without_onnx: None, run: Path) -> None:
    assert "Networks had no limits." in export_card(run)
    for name, change in (
        ("options", lambda x: x.update(max_params=50_000, max_latency_ms=2.0)),
        ("summary", lambda x: [row.update(latency_ms=3.25) for row in x["retrained"]]),
    ):
        data = json.loads((run / f"{name}.json").read_text())
        change(data)
        (run / f"{name}.json").write_text(json.dumps(data))
    card = export_card(run)
    assert "Limits of a network: max_params 50,000, max_latency_ms 2.0." in card
    assert "measured for the report, ms | 3.25 (over the limit of 2) |" in card


def export_card(run: Path) -> str:
    export_run(run)
    return (run / "export" / "card.md").read_text(encoding="utf-8")


def test_what_cannot_be_exported_is_refused(run: Path, tmp_path: Path) -> None:
    refused = script("export", tmp_path / "nothing", code=2).stderr
    assert "There is no run in" in refused and "--output" in refused
    refused = script("search", *TINY, "--evaluator", "synthetic", "--export", code=2).stderr
    assert "--export needs trained networks" in refused
    summary = json.loads((run / "summary.json").read_text())
    summary["settings"]["data_hash"] = "0" * 64
    (run / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(IncompatibleError, match=r"had 0000000000000000\. Bring the old data back"):
        FinishedRun.read(run).task  # noqa: B018
    (run / "summary.json").unlink()
    with pytest.raises(InvalidSettingError, match=r"has not finished.*--resume"):
        FinishedRun.read(run)


def test_a_folder_with_something_else_in_it_is_refused(
    without_onnx: None, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "network.py").write_text("mine")
    (tmp_path / "file").write_text("mine")
    refused = script("export", run, "--output", tmp_path / "mine", code=2).stderr
    assert f"{tmp_path / 'mine'} has files that are not an export" in refused and "empty" in refused
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["network.py"]
    with pytest.raises(InvalidSettingError, match="file is a file"):
        export_run(run, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    for _ in ("an empty one", "an earlier export"):
        assert "Exported to" in export_run(run, tmp_path / "empty")
    with pytest.raises(InvalidSettingError, match=r"had no --data, so --data x\.csv"):
        export_run(run, data="x.csv")


def test_the_best_networks_are_different_and_of_this_run(run: Path) -> None:
    found = best_of(FinishedRun.read(run), 100)
    scores = [x.score for x in found]
    assert scores == sorted(scores, reverse=True)
    assert len({x.candidate.architecture.key for x in found}) == len(found) > 3
    best = json.loads((run / "summary.json").read_text())["searches"]
    assert scores[0] == max(x["best"]["score"] for x in best.values())
    assert {x.agent for x in found} == set(best)
    (run / "token").write_text("0" * 32)
    with pytest.raises(IncompatibleError, match=r"has no network of the run in.*--store"):
        best_of(FinishedRun.read(run), 1)
    with pytest.raises(StoreError):
        best_of(FinishedRun.read(run), 1, store=str(run / "token"))


def test_an_ensemble_answers_with_the_mean_of_probabilities_or_predictions() -> None:
    torch.manual_seed(0)
    networks = [torch.nn.Linear(3, 4) for _ in range(3)]
    x = torch.randn(5, 3)
    with torch.no_grad():
        mean = torch.stack([network(x).softmax(1) for network in networks]).mean(0)
        torch.testing.assert_close(Ensemble(networks)(x).softmax(1), mean)
        torch.testing.assert_close(Ensemble(networks)(x).exp(), mean)
        mean = torch.stack([network(x) for network in networks]).mean(0)
        torch.testing.assert_close(Ensemble(networks, "regression")(x), mean)


class Watch:
    """Counts trainings and readings of the test split, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        train, test = Training.train, SupervisedTask.test

        def trained(*arguments: Any, **named: Any) -> Any:
            self.told.append("train")
            return train(*arguments, **named)

        def tested(*arguments: Any, **named: Any) -> Any:
            self.told.append("test")
            return test(*arguments, **named)

        monkeypatch.setattr(Training, "train", trained)
        monkeypatch.setattr(SupervisedTask, "test", tested)


def test_the_best_are_trained_and_the_test_split_is_opened_after_all(
    monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    watch, finished = Watch(monkeypatch), FinishedRun.read(run)
    data = retrain_best(finished, PLAN, log=lambda text: None)
    assert watch.told == ["train"] * 4 + ["test"] * 7  # 2 x 2 networks, 2 ensembles, one of all
    assert len(data["networks"]) == len(data["ensemble_by_seed"]) == 2
    assert data["training_seeds"] == [7, 8] and data["test_openings"] == 1
    assert retrain_best(finished, PLAN) == data == json.loads((run / "retrained.json").read_text())
    assert len(watch.told) == 11


def test_the_numbers_are_those_of_the_kept_weights(run: Path) -> None:
    finished = FinishedRun.read(run)
    data = retrain_best(finished, PLAN, log=lambda text: None)
    networks = []
    for row in data["networks"]:
        (path,) = (run / "retraining").glob(f"{row['key']}-2-8.pt")
        left = torch.load(path, weights_only=True)
        assert left["curve"] == row["validation_curves"][1]
        network: Any = build(
            Architecture.from_json(row["candidate"]["architecture"]), finished.task.spec
        )
        network.load_state_dict(left["weights"])
        networks.append(network.to(memory_format=torch.channels_last).eval())
        found = finished.task.test(networks[-1])["accuracy"]
        assert found == row["measured"][1]["test"]
        assert row["kept_epochs"][1] == 1 + left["curve"].index(max(left["curve"]))
        assert row["measured"][1]["validation"] == max(left["curve"])
    task: Any = finished.task
    x, y = task.tensors("validation")
    with torch.inference_mode():
        mean = torch.stack([network(x).softmax(1) for network in networks]).mean(0)
    accuracy = (mean.argmax(1) == y).double().mean().item()
    assert data["ensemble_by_seed"][1]["validation"] == pytest.approx(accuracy)


def test_what_was_trained_longer_is_exported_unless_told_otherwise(
    without_onnx: None, made: Path, run: Path, tmp_path: Path
) -> None:
    finished = FinishedRun.read(run)
    data = retrain_best(finished, PLAN, log=lambda text: None)
    means = [sum(x["validation"] for x in row["measured"]) for row in data["networks"]]
    best = data["networks"][means.index(max(means))]
    (file,) = (run / "retraining").glob(f"{best['key']}-2-7.pt")
    found: Any = build(Architecture.from_json(best["candidate"]["architecture"]), TASK.spec)
    found.load_state_dict(torch.load(file, weights_only=True)["weights"])
    found = found.to(memory_format=torch.channels_last).eval()
    x, _ = TASK.tensors("validation")
    told = export_run(run, tmp_path / "longer")
    assert f"with weights of nas-env retrain: of 2 networks {LONGER}{best['found_by']}:" in told
    with torch.inference_mode():
        assert torch.equal(export_folder.load(tmp_path / "longer")(x), found(x))
    card = (tmp_path / "longer/card.md").read_text(encoding="utf-8")
    assert "read for the report of the search, and once for networks trained longer. Each" in card
    kept = f"- epochs: at most 2; the weights are those of epoch {best['kept_epochs'][0]}, the best"
    assert f"{kept} on validation\n- training seed: 7\n" in card and f"`{best['key']}`" in card
    assert f"| test accuracy, % | {100 * best['measured'][0]['test']:.2f} |" in card
    assert "weights of the search's report" in export_run(run, tmp_path / "first", searched=True)
    first, again = (path.read_bytes() for path in (made / SOURCE, tmp_path / "first/network.py"))
    assert first == again
    file.unlink()
    with pytest.raises(IncompatibleError, match=r"-2-7\.pt is missing, .* --searched"):
        export_run(run, tmp_path / "longer")


def test_finished_trainings_are_kept(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    watch, lines = Watch(monkeypatch), list[str]()

    def interrupt(text: str) -> None:
        lines.append(text)
        if len(lines) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain_best(FinishedRun.read(run), PLAN, log=interrupt)
    assert watch.told == ["train"] * 3
    assert not (run / "retrained.json").exists()
    retrain_best(FinishedRun.read(run), PLAN, log=lines.append)
    assert watch.told == ["train"] * 4 + ["test"] * 7
    assert [text.endswith("kept from before") for text in lines] == [False] * 3 + [True] * 3 + [
        False
    ]


def test_the_test_split_is_opened_again_only_on_demand(run: Path) -> None:
    finished, other = FinishedRun.read(run), LongerPlan(top=1, seeds=2, epochs=2, device="cpu")
    retrain_best(finished, PLAN, log=lambda text: None)
    with pytest.raises(InvalidSettingError, match=r"opened for .* already, with top 2.*--again"):
        retrain_best(finished, other)
    data = retrain_best(finished, other, again=True, log=lambda text: None)
    assert data["test_openings"] == 2
    assert "was opened 2 times for this table" in table(data)


def test_the_same_plan_is_carried_out_again_on_demand(
    monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    finished = FinishedRun.read(run)
    first = retrain_best(finished, PLAN, log=lambda text: None)
    next((run / "retraining").glob("*.pt")).unlink()
    watch = Watch(monkeypatch)
    assert retrain_best(finished, PLAN) == first and watch.told == []
    data = retrain_best(finished, PLAN, again=True, log=lambda text: None)
    assert watch.told == ["train"] + ["test"] * 7
    assert data == {**first, "test_openings": 2} == json.loads((run / "retrained.json").read_text())


def test_a_failed_training_counts_as_zero_and_is_in_no_ensemble(
    monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    train = Training.train

    def fails(self: Training, candidate: Any, budget: Any, *rest: Any) -> Any:
        if budget.training_seed == 7:
            raise TrainingDiverged("as told")
        return train(self, candidate, budget, *rest)

    monkeypatch.setattr(Training, "train", fails)
    data = retrain_best(FinishedRun.read(run), PLAN, log=lambda text: None)
    assert [row["measured"][0]["test"] for row in data["networks"]] == [0, 0]
    assert data["ensemble_by_seed"][0] == {"validation": 0.0, "test": 0.0}
    assert data["ensemble_of_all"] == data["ensemble_by_seed"][1]
    assert "2 trainings failed" in table(data)


def test_the_command_writes_the_table(run: Path) -> None:
    done = script("retrain", run, "--top", 2, "--seeds", 2, "--epochs", 2, "--device", "cpu")
    text = (run / "retrained.md").read_text(encoding="utf-8")
    assert text in done.stdout and "4/4 network 2, seed 8" in done.stderr
    data = json.loads((run / "retrained.json").read_text())
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    for row, x in zip(rows[1:], data["networks"], strict=False):
        tests = [100 * a["test"] for a in x["measured"]]
        assert row[6].startswith(f"{sum(tests) / 2:.2f} ± ")
    gaps = [x["validation"] - x["test"] for x in data["ensemble_by_seed"]]
    assert rows[3][7].startswith(f"{100 * sum(gaps) / 2:+.2f}")
    assert script("retrain", run, "--top", 0, code=2).stderr.startswith("error: Option --top must")


@pytest.mark.parametrize("calibrate", [False, True])
def test_the_ensemble_of_the_table_can_be_exported(
    without_onnx: None, run: Path, calibrate: bool
) -> None:
    data = retrain_best(FinishedRun.read(run), PLAN, log=lambda text: None)
    command = vars(export_command)
    options = command["Options"](run, ensemble=True, calibrate=calibrate)
    assert command["run"](options) == 0
    measured = TASK.validate(export_folder.load(run / "export"))
    every = data["ensemble_of_all"]
    assert measured["accuracy"] == every["validation"]
    assert TASK.test(export_folder.load(run / "export"))["accuracy"] == every["test"]
    card = (run / "export/card.md").read_text(encoding="utf-8")
    assert "parameters in an ensemble of 4 networks, " in card
    assert "- training seeds: 7, 8\n" in card
    assert "- weights: of nas-env retrain: all 4 trainings as an ensemble\n" in card
    assert f"| validation accuracy, % | {100 * every['validation']:.2f} |" in card
    assert f"| test accuracy, % | {100 * every['test']:.2f} |" in card
    assert "over 1 training seeds" not in card and "latency" not in card
    assert all(f"`{row['key']}`" in card for row in data["networks"])
    assert ("probabilities are not calibrated" in card) == (not calibrate)
    assert (
        "| expected calibration error on validation, before and after, % |" in card
    ) == calibrate


def test_calibration_keeps_the_order_of_classes(without_onnx: None, run: Path) -> None:
    export_run(run, run / "plain")
    told = export_run(run, run / "calibrated", calibrated=True)
    plain, calibrated = (export_folder.load_module(run / name) for name in ("plain", "calibrated"))
    x, y = TASK.tensors("validation")
    raw = x * torch.from_numpy(TASK.sd) + torch.from_numpy(TASK.mean)
    before, after = (m.predict(m.load(), raw) for m in (plain, calibrated))
    assert torch.equal(before.argmax(1), after.argmax(1)) and not torch.equal(before, after)
    t = calibrated.TEMPERATURE
    torch.testing.assert_close(after, (before.log() / t).softmax(1))
    errors = [100 * calibration_error(p.log(), y) for p in (before, after)]
    shown = re.search(r"calibration error ([\d.]+) % -> ([\d.]+) % on validation", told)
    assert shown is not None
    assert [float(x) for x in shown.groups()] == pytest.approx(errors, abs=0.006)


def test_what_is_no_ensemble_is_refused(without_onnx: None, run: Path) -> None:
    with pytest.raises(IncompatibleError, match=r"has no ensemble. Train .* nas-env retrain"):
        export_run(run, ensemble=True)
    for option in ("train", "searched"):
        with pytest.raises(InvalidSettingError, match=f"Leave out --{option}."):
            export_run(run, ensemble=True, **{option: True})
    retrain_best(FinishedRun.read(run), LongerPlan(1, 1, 1, "cpu"), log=lambda text: None)
    with pytest.raises(IncompatibleError, match=r"at least 2 .* has 1. Raise --top or --seeds"):
        export_run(run, ensemble=True)
    for file in (run / "retraining").iterdir():
        file.unlink()
    with pytest.raises(IncompatibleError, match=r"\.pt is missing, .* without --ensemble"):
        export_run(run, ensemble=True)


@pytest.mark.parametrize(
    ("agent", "names", "compared"),
    [
        ("imagination", ["imagination", "portfolio", "random"], True),
        ("imagination", ["imagination", "portfolio"], False),
        ("random", ["random", "portfolio"], False),
    ],
)
def test_the_card_names_random_search_as_baseline_only_if_it_ran(tmp_path, agent, names, compared):
    row = {"evaluations": 1, "charged_epochs": 1, "charged_seconds": 1.0, "best": {"score": 0.5}}
    options = {"objective": "metric", "seed": 0, "epochs": 1, "agent": agent}
    summary = {"searches": dict.fromkeys(names, row), "verdicts": []}
    text = card._search(FinishedRun(tmp_path, options, summary, {}))
    assert ("random search is the baseline" in text) is compared
