"""The task "own-data": what is standardised, measured, scored and told apart."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.training import Training
from nas_env.factories import make_objective
from nas_env.objectives import TaskMetric
from nas_env.sources import ReadOptions, preprocessing
from nas_env.tasks.own_data import METRICS, REPORTS, DataTask, own_data
from nas_env_cli.search.user_data import choose_settings

RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, size=(200, 4))
NUMBERS = 40 + 7 * X[:, 0] - 3 * X[:, 1] + RNG.normal(0, 1, 200)
LABELS = (X[:, 0] > 5).astype(int)
NETWORK = Candidate(Architecture((Layer.of("linear", units=16),)), Recipe(batch_size=16))


def regression(metric: str | None = None) -> DataTask:
    return own_data({"x": X, "y": NUMBERS}, metric=metric)


def images(count: int = 60) -> dict[str, Any]:
    x = RNG.integers(0, 256, size=(count, 6, 5, 3), dtype=np.uint8)
    return {"x": x, "y": np.arange(count) % 3}


def test_targets_of_regression_are_standardised_by_the_training_split() -> None:
    task = regression()
    rows = task.data.rows
    assert (task.spec.problem, task.spec.num_outputs, task.spec.metric) == ("regression", 1, "mse")
    assert task.target_mean == pytest.approx(NUMBERS[rows["train"]].mean())
    y = task.tensors("validation")[1]
    assert y.dtype == torch.float32
    restored = y.numpy() * task.target_sd + task.target_mean
    np.testing.assert_allclose(restored, NUMBERS[rows["validation"]], rtol=1e-5)


@pytest.mark.parametrize("limit", [None, 0.001])
def test_samples_in_more_than_one_split_are_told(limit: float | None) -> None:
    x, y = X.astype(np.float32), LABELS
    parts = {"train": slice(0, 120), "val": slice(120, 160), "test": slice(160, 200)}
    given = {f"x_{name}": x[part] for name, part in parts.items()}
    given |= {f"y_{name}": y[part] for name, part in parts.items()}
    plain = own_data(given, max_memory_mb=limit)
    assert plain.repeated == (0, 0) and plain.summary.notes == plain.data.notes
    for name, count in (("val", 1), ("test", 7)):
        given[f"x_{name}"] = np.concatenate([x[:count], x[parts[name]][count:]])
        given[f"y_{name}"] = np.concatenate([y[:count], y[parts[name]][count:]])
    given["y_test"][6] = 1 - y[6]  # of another class, so another sample
    task = own_data(given, max_memory_mb=limit)
    assert task.data.in_memory is (limit is None)
    assert task.repeated == (1, 6)
    told = "1 of 40 validation samples and 6 of 40 test samples are also training samples, so"
    assert told in task.summary.text()
    assert task.contradicting == 2, "the changed one, and the training sample that it was"
    assert "2 of 200 samples equal a sample of another class" in task.summary.notes[-1]
    assert task.data_hash != plain.data_hash


def test_samples_in_more_than_one_split_are_told_before_a_search(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", x=np.tile(X[:50], (2, 1)), y=np.tile(LABELS[:50], 2))
    found = choose_settings(tmp_path / "mine.npz", ReadOptions(), None, {})
    assert "test samples are also training samples" in found.text
    assert "test samples are also training samples" in found.to_json()["summary"]["notes"][-1]


def test_regression_learns_and_tests_in_the_targets_own_unit() -> None:
    task = regression()
    training = Training(task, "cpu")
    network, curve = training.train(NETWORK, Budget(epochs=20))
    noise, spread = 1.0, float(NUMBERS.var())
    assert set(curve[-1]) == {"mse", "mae", "r2", "loss", "train_loss"}
    assert noise < curve[-1]["mse"] < 0.1 * spread
    assert curve[-1]["mse"] < curve[0]["mse"]
    validated = {name: curve[-1][name] for name in ("mse", "mae", "r2", "loss")}
    assert task.validate(network) == pytest.approx(validated)
    tested = task.test(network)
    rows = task.data.rows["test"]
    with torch.inference_mode():
        outputs = network(torch.from_numpy(preprocessing.apply(task.preprocessing, X[rows])))[:, 0]
    predicted = outputs.numpy() * task.target_sd + task.target_mean
    assert tested["mae"] == pytest.approx(np.abs(predicted - NUMBERS[rows]).mean(), rel=1e-3)


def test_a_score_of_regression_is_higher_where_the_error_is_lower() -> None:
    for metric in METRICS["regression"]:
        task = regression(metric)
        objective = make_objective(None, task.spec)
        y = NUMBERS[task.data.rows["train"]]
        baselines = {"mse": y.var(), "mae": np.abs(y - np.median(y)).mean()}
        assert task.spec.baseline_error == pytest.approx(baselines[metric])

        def score(error: float, objective: Any = objective, metric: str = metric) -> float:
            return float(objective.score(Evaluation(Outcome.OK, {metric: error})))

        errors = (0, 0.5 * baselines[metric], baselines[metric], 1e9)
        assert [score(x) for x in errors] == pytest.approx([1, 0.5, 0, -1])
        assert objective.failure == -1


def test_every_metric_of_the_problem_is_in_an_evaluation_whichever_is_chosen() -> None:
    tasks = [
        own_data({"x": X, "y": LABELS}, metric=name, class_weights=False)
        for name in METRICS["classification"]
    ]
    assert len({task.fingerprint for task in tasks}) == 1
    (found,) = Training(tasks[2], "cpu").evaluate([NETWORK], Budget(epochs=4))
    assert set(REPORTS["classification"]) < set(found.metrics)
    assert make_objective(None, tasks[2].spec).score(found) == found.metrics["f1"]
    assert type(make_objective(None, tasks[0].spec)).__name__ == "Accuracy"


def test_objectives_that_need_another_metric_are_refused() -> None:
    with pytest.raises(IncompatibleError, match=r"'accuracy' needs the metric 'accuracy'.*'metric"):
        gym.make("NAS-v0", task=regression(), objective="accuracy", evaluator="synthetic")
    with pytest.raises(IncompatibleError, match="'TaskMetric' needs the metric 'f1'"):
        gym.make("NAS-v0", task="wine", objective=TaskMetric("f1"), evaluator="synthetic")


@pytest.mark.parametrize("evaluator", ["training", "synthetic"])
def test_an_environment_searches_on_regression(evaluator: str) -> None:
    settings: dict[str, Any] = {"budget": {"epochs": 2}, "render_mode": "ansi"}
    env = gym.make("NAS-v0", task=regression("mae"), evaluator=evaluator, **settings)
    env.action_space.seed(1)
    (_, info), done = env.reset(seed=1), False
    while not done:
        _, reward, done, _, info = env.step(env.action_space.sample(info["action_mask"]))
    assert "regressor 1" in env.render()  # type: ignore[operator]
    expected = 1 - info["evaluation"]["mae"] / env.unwrapped.task.spec.baseline_error  # type: ignore[attr-defined]
    assert reward == pytest.approx(max(-1, expected))


def test_data_alone_name_the_task() -> None:
    for y in (LABELS, NUMBERS):
        made: Any = gym.make("NAS-v0", data={"x": X, "y": y}, evaluator="synthetic").unwrapped
        assert isinstance(made.task, DataTask)
        assert made.task.fingerprint == own_data({"x": X, "y": y}).fingerprint


def test_fingerprints_change_with_data_and_problem() -> None:
    changed = X.copy()
    changed[3, 1] += 0.5
    prints = [
        own_data({"x": x, "y": LABELS}, problem=problem).fingerprint
        for x in (X, changed)
        for problem in ("classification", "regression")
    ]
    assert len(set(prints)) == 4
    assert own_data({"x": X, "y": LABELS}).fingerprint == prints[0]


def test_preprocessing_is_plain_data_that_gives_what_networks_take() -> None:
    content = images()
    task = own_data(content)
    plain = json.loads(json.dumps(task.preprocessing))
    raw = content["x"].transpose(0, 3, 1, 2)[task.data.rows["validation"]]
    assert np.array_equal(preprocessing.apply(plain, raw), task.tensors("validation")[0])


def test_what_does_not_fit_in_memory_trains_to_the_same_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **images(90))
    network = Candidate(Architecture((Layer.of("conv", channels=4, kernel=3),)))
    found = []
    for limit in (None, 0.001):
        task = own_data(tmp_path / "mine.npz", max_memory_mb=limit)
        assert task.data.in_memory is (limit is None)
        found.append(task)
    assert found[0].fingerprint == found[1].fingerprint
    assert found[1].data.x.dtype == np.uint8
    kept = pickle.dumps(found[1])
    assert len(kept) < 20_000  # the samples are not in it
    again = pickle.loads(kept)
    curves = [Training(x, "cpu").train(network, Budget(epochs=2))[1] for x in (*found, again)]
    assert curves[0] == curves[1] == curves[2]


def test_the_test_split_of_streamed_data_is_sealed_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **images())
    task = own_data(tmp_path / "mine.npz", max_memory_mb=0.001)
    with pytest.raises(PermissionError, match="'test' is sealed"):
        task.tensors("test")


def test_macs_over_the_limit_are_too_large_and_nothing_is_trained() -> None:
    task = own_data({"x": X, "y": LABELS})
    macs = 4 * 16 + 16 * 2
    at, over = (
        Training(task, "cpu").evaluate([NETWORK], Budget(epochs=1, max_macs=limit))[0]
        for limit in (macs, macs - 1)
    )
    assert (at.outcome, at.metrics["macs"]) == ("ok", macs)
    assert (over.outcome, over.epochs) == ("too_large", 0)
    assert over.message == f"Predicted {macs} MACs, limit {macs - 1}."


def test_recipes_are_changed_where_asked_for() -> None:
    settings: dict[str, Any] = {"task": regression(), "evaluator": "synthetic"}
    env: Any = gym.make("NAS-v0", recipe={"batch_size": 32}, **settings)
    env.reset(seed=0)
    for decision in (3, env.unwrapped.space.stop):
        env.step(decision)
    assert env.unwrapped.candidate.recipe == Recipe(batch_size=32)
    with pytest.raises(InvalidSettingError, match="batch_size is a decision of space 'chain-joint"):
        gym.make("NAS-v0", space="chain-joint", recipe={"batch_size": 32})
    with pytest.raises(InvalidSettingError, match="batch_size must be an integer >= 1, got 0"):
        gym.make("NAS-v0", recipe={"batch_size": 0}, **settings)
