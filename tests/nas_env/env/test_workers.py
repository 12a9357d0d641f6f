"""Environments that let worker processes evaluate."""

from __future__ import annotations

import os
import pickle
from typing import Any

import gymnasium as gym
import pytest

from nas_env.errors import InvalidSettingError
from nas_env.evaluators import Cached, Parallel
from nas_env.evaluators.training import Training
from nas_env.store import MemoryStore
from nas_env.tasks import TASKS

SETTINGS: dict[str, Any] = {"space": "mlp", "budget": {"epochs": 1, "max_seconds": 60}}


def play(env: gym.Env[Any, Any], actions: list[int]) -> tuple[float, Any]:
    env.reset(seed=0)
    for action in actions:
        _, reward, terminated, _, info = env.step(action)
        if terminated:
            return float(reward), {k: v for k, v in info["evaluation"].items() if k != "seconds"}
    raise AssertionError("the episode did not end")


def parallel_of(env: gym.Env[Any, Any]) -> Parallel:
    cached = env.unwrapped.evaluator  # type: ignore[attr-defined]
    assert isinstance(cached, Cached)
    assert isinstance(cached.evaluator, Parallel)
    return cached.evaluator


def test_workers_give_the_same_numbers_and_end_with_the_environment() -> None:
    actions = [3] * 10
    inline = gym.make("NAS-v0", **SETTINGS)
    env = gym.make("NAS-v0", workers=1, **SETTINGS)
    assert parallel_of(env).workers == 1
    assert play(env, actions) == play(inline, actions)
    (pid,) = parallel_of(env).pids()
    copy = pickle.loads(pickle.dumps(env))
    env.close()
    assert parallel_of(env).pids() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert play(copy, actions) == play(inline, actions)
    copy.close()


def test_a_vector_asks_the_pool_for_a_whole_step_at_once() -> None:
    outcomes = []
    for workers in (None, 2):
        envs = gym.make_vec("NAS-v0", num_envs=3, workers=workers, **SETTINGS)
        envs.reset(seed=0)
        rewards = []
        for step in range(12):
            _, reward, _, _, _ = envs.step([(step + lane) % 4 for lane in range(3)])
            rewards.append(reward.tolist())
        outcomes.append(rewards)
        if workers is not None:
            parallel = envs.unwrapped.template.evaluator.evaluator  # type: ignore[attr-defined]
            assert len(parallel.pids()) == 2
            envs.close()
            assert parallel.pids() == []
    assert outcomes[0] == outcomes[1]
    assert any(reward > 0 for rewards in outcomes[0] for reward in rewards)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("NAS-v0", {"workers": 0}, "workers must be an integer >= 1, got 0. Leave it out"),
        ("NAS-v0", {"workers": 1.5}, "workers must be an integer >= 1, got 1.5"),
        ("NAS-v0", {"workers": 2, "evaluator": "synthetic"}, "workers=2 would have no effect"),
        ("NASBench201-v0", {"workers": 2}, "workers would have no effect"),
    ],
)
def test_workers_that_mean_nothing_are_refused(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        gym.make(name, **settings)


def test_workers_go_inside_of_what_is_around() -> None:
    task = TASKS.get("wine")()
    training = Training(task, device="cpu")
    settings = {"task": task, "space": "mlp"}
    env = gym.make("NAS-v0", evaluator=training, workers=2, **settings)
    assert parallel_of(env).evaluator is training
    given = Cached(training, MemoryStore())
    env = gym.make("NAS-v0", evaluator=given, workers=2, **settings)
    assert parallel_of(env).evaluator is training
    with pytest.raises(InvalidSettingError, match="already runs 2 evaluations at once"):
        gym.make("NAS-v0", evaluator=given, workers=2, **settings)
