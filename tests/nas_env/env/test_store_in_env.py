"""The environment and its store: what is known is not trained again and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence as equal

from nas_env.evaluation import Evaluation, Outcome
from nas_env.evaluators import Evaluator, _precision, training
from nas_env.network import predict
from nas_env.store import SQLStore

MakeEnv = Callable[..., gym.Env[Any, Any]]
TRAINED = {"evaluator": "training", "device": "cpu", "budget": {"epochs": 1}, "task": "wine"}


def rollout(env: gym.Env[Any, Any], steps: int = 25) -> list[Any]:
    results: list[Any] = [env.reset(seed=0)]
    env.action_space.seed(0)
    for _ in range(steps):
        results.append(env.step(env.action_space.sample()))
        if results[-1][2]:
            results.append(env.reset())
    return results


def test_a_warm_store_gives_the_same_run(
    make_env: MakeEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite"
    cold = rollout(make_env(store=path, **TRAINED))
    written = len(SQLStore(path))
    assert written > 2
    monkeypatch.setattr(training, "build", None)  # training anything would crash
    warm = rollout(make_env(store=path, **TRAINED))
    assert equal(cold, warm, exact=True)
    assert len(SQLStore(path)) == written


def test_rows_hold_score_and_objective(make_env: MakeEnv, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    rollout(make_env(store=path, objective="accuracy-under-cost", **TRAINED), 12)
    rows = SQLStore(path).rows()
    assert rows
    for row in rows:
        factor = min(1.0, 10_000 / row["params"]) ** 0.07
        assert row["score"] == pytest.approx(row["accuracy"] * factor)
        assert row["objective"].startswith("AccuracyUnderCost(")
        assert row["training_seed"] == 0
        assert row["seconds"] > 0


def test_without_a_store_no_file_is_written(
    make_env: MakeEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env: Any = make_env(**TRAINED)
    rollout(env, 12)
    assert len(env.unwrapped.store) > 0
    assert list(tmp_path.iterdir()) == []


def test_free_answers_are_not_written(make_env: MakeEnv, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    rollout(make_env(store=path), 20)
    assert len(SQLStore(path)) == 0


def test_automatic_precision_is_settled_once_per_store(
    make_env: MakeEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = iter(["bfloat16", "float32"])
    monkeypatch.setattr(_precision, "faster_precision", lambda *_: next(verdicts))
    path = tmp_path / "store.sqlite"
    fingerprints = []
    for _ in range(3):
        env: Any = make_env(store=path, precision="auto", **TRAINED)
        fingerprints.append(env.unwrapped.evaluator.fingerprint)
    assert set(fingerprints) == {fingerprints[0]}
    assert fingerprints[0].endswith("/bfloat16")
    other: Any = make_env(store=tmp_path / "other.sqlite", precision="auto", **TRAINED)
    assert other.unwrapped.evaluator.fingerprint.endswith("/float32")


def test_training_is_float32_unless_told_otherwise(make_env: MakeEnv) -> None:
    env: Any = make_env(**TRAINED)
    assert env.unwrapped.evaluator.fingerprint.endswith("/float32")


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_the_parameter_limit_holds_in_random_play(make_env: MakeEnv, factor: float) -> None:
    limit = int(400 * factor)
    env: Any = make_env(max_params=limit)
    results = rollout(env, 300)
    found = [x[4]["evaluation"]["params"] for x in results if len(x) == 5 and x[2]]
    assert len(found) > 40
    assert max(found) <= limit
    assert max(found) > limit / 2


class Broken(Evaluator):
    fingerprint = "broken"

    def evaluate(self, candidates: Any, budget: Any) -> list[Evaluation]:
        return [Evaluation(Outcome.OUT_OF_MEMORY, message="no room") for _ in candidates]


@pytest.mark.parametrize(("objective", "failure"), [("accuracy", 0.0), ("negative-loss", -10.0)])
def test_what_a_network_does_is_an_outcome(
    make_env: MakeEnv, objective: str, failure: float
) -> None:
    env = make_env(evaluator=Broken(), objective=objective)
    env.reset(seed=0)
    env.step(0)
    _, reward, terminated, _, info = env.step(14)
    assert (reward, terminated) == (failure, True)
    assert info["evaluation"] == {
        "score": failure,
        "outcome": "out_of_memory",
        "message": "no room",
    }


def test_spent_parameters_follow_the_walk(make_env: MakeEnv) -> None:
    env: Any = make_env().unwrapped
    env.action_space.seed(1)
    for _ in range(10):
        _, info = env.reset()
        over = False
        while not over:
            _, _, over, _, info = env.step(env.action_space.sample(info["action_mask"]))
        assert env.state.spent == predict(env.candidate.architecture, env.task.spec).params
        assert np.count_nonzero(info["action_mask"]) == 0
