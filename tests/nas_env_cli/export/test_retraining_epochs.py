"""nas-env retrain trains for at least the epochs of the search, and stops early by validation."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.evaluators import best_epoch
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES
from nas_env.tasks import TASKS
from nas_env_cli.commands import retrain as retrain_command
from nas_env_cli.export import longer_training
from nas_env_cli.export.finished import FinishedRun
from nas_env_cli.export.longer_table import table
from nas_env_cli.export.longer_training import EPOCHS, LongerPlan, best_of, retrain_best
from nas_env_cli.export.retraining import retrain
from tests.support.tiny_search import script

SEARCH = ("--task", "digits", "--evaluations", 3, "--retrain-seeds", 2, "--epochs", 2)
AGENTS: dict[str, tuple[Any, ...]] = {
    "appending": ("--agent", "random"),
    "editing": ("--env", "NASEdit-v0", "--agent", "random", "--inherit"),
    "stopped by the median": ("--agent", "random", "--evaluator", "median-stopping"),
}


@pytest.mark.parametrize(
    ("search", "option"), list(product([1, 8, 39, 40, 41, 100], [None, 1, 7, 8, 40, 99, 100, 500]))
)
def test_a_plan_has_at_least_the_epochs_of_the_search(search: int, option: int | None) -> None:
    plan = LongerPlan(top=3, epochs=option)
    if option is not None and option < search:
        rule = rf"^Option --epochs must be >= {search}, the epochs of the search, got {option}\. "
        with pytest.raises(InvalidSettingError, match=rule + "Leave it out, or give a larger"):
            plan.checked(search)
        return
    checked = plan.checked(search)
    assert checked.epochs == (option or max(EPOCHS, search))
    assert (checked.top, checked.checked(search)) == (3, checked)


@pytest.fixture(scope="module", params=AGENTS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of each kind, whose networks had 2 epochs."""
    path = tmp_path_factory.mktemp("runs") / "run"
    script("search", *SEARCH, *AGENTS[request.param], "--output", path)
    return path


def test_fewer_epochs_than_those_of_the_search_are_refused(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = FinishedRun.read(run)
    assert {x.epochs for x in best_of(finished, 9)} == {2}
    command = vars(retrain_command)
    few = command["Options"](run, top=1, seeds=1, epochs=1, device="cpu")
    assert command["run"](few) == 2
    told = capsys.readouterr().err
    assert "error: Option --epochs must be >= 2, the epochs of the search, got 1. Leave" in told
    assert not (run / "retrained.json").exists() and not (run / "retraining").exists()
    monkeypatch.setattr(longer_training, "EPOCHS", 1)  # the search's epochs are more
    data = retrain_best(finished, LongerPlan(1, 1, None, "cpu"), log=lambda text: None)
    assert data["plan"]["epochs"] == data["search_epochs"] == 2
    assert retrain_best(finished, LongerPlan(1, 1, None, "cpu")) == data
    with pytest.raises(InvalidSettingError, match=r"must be >= 2, .* got 1"):
        retrain_best(finished, LongerPlan(1, 1, 1, "cpu"))


def test_a_network_with_more_epochs_than_the_option_counts(run: Path) -> None:
    """An episode may have had another fidelity than the option --epochs of the search."""
    finished = FinishedRun.read(run)
    options = {**finished.options, "epochs": 1}
    lower = FinishedRun(run, options, finished.summary, finished.best)
    with pytest.raises(InvalidSettingError, match=r"must be >= 2, .* got 1"):
        retrain_best(lower, LongerPlan(1, 1, 1, "cpu"), again=True, log=lambda text: None)


def test_the_summary_tells_the_kept_epochs(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    text = (run / "summary.md").read_text(encoding="utf-8")
    rows = {
        f"{x['name']} ({x['reference']})" if "reference" in x else x["name"]: x["kept_epochs"]
        for x in summary["retrained"]
    }
    assert all(len(kept) == 2 and set(kept) <= {1, 2} for kept in rows.values())
    told = "; ".join(f"{name}: {a}, {b}" for name, (a, b) in rows.items())
    assert f"Epochs kept by early stopping, the best on validation: {told}." in text


@pytest.mark.parametrize("early", [False, True])
def test_the_kept_epoch_is_tested_after_all_trainings(
    early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(best_epoch, "MIN_PATIENCE", 1)
    monkeypatch.setattr(best_epoch, "PATIENCE_SHARE", 0)
    task: Any = TASKS.get("wine")()
    events, train, test = list[str](), Training.train, type(task).test

    def trained(*arguments: Any) -> Any:
        events.append("train")
        return train(*arguments)

    def tested(*arguments: Any, **named: Any) -> Any:
        events.append("test")
        return test(*arguments, **named)

    monkeypatch.setattr(Training, "train", trained)
    monkeypatch.setattr(type(task), "test", tested)
    candidate = Candidate(Architecture((Layer.of("linear", units=8),)))
    training, seeds = Training(task, "cpu"), [1000, 1001]
    result = retrain(
        "x", candidate, training, OBJECTIVES.get("accuracy")(), Budget(epochs=12), seeds, early
    )
    assert events == ["train"] * 2 + ["test"] * 2
    for seed, kept, accuracy in zip(seeds, result.kept_epochs, result.accuracies, strict=True):
        _, curve = train(training, candidate, Budget(epochs=12, training_seed=seed))
        values = [x["accuracy"] for x in curve]
        expected = 12
        if early:  # the last epoch before the first that is no better
            worse = (n for n in range(1, 12) if values[n] <= max(values[:n]))
            expected = next(worse, 12)
        assert kept == expected
        budget = Budget(epochs=expected, horizon=12, training_seed=seed)
        network, _ = train(training, candidate, budget)
        assert test(task, network)["accuracy"] == accuracy
    assert result.kept_epochs_text == f"x: {result.kept_epochs[0]}, {result.kept_epochs[1]}"


def test_the_table_tells_the_kept_epochs(run: Path) -> None:
    plan = LongerPlan(1, 1, 2, "cpu")
    data = retrain_best(FinishedRun.read(run), plan, again=True, log=lambda text: None)
    text = table(data)
    (kept,) = data["networks"][0]["kept_epochs"]
    assert f"- Network 1 kept epoch {kept}, the best on validation, of 2." in text
    assert "- A training ended after 5 epochs without a better validation accuracy." in text
