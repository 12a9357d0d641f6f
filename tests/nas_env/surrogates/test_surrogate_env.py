"""`NASMobile-v0`: what an episode tells, what objectives may ask for, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.architecture import Candidate, Recipe
from nas_env.errors import IncompatibleError, InvalidSettingError, NASError, UnknownNameError
from nas_env.evaluation import Budget, Outcome
from nas_env.evaluators.surrogate import SurrogateEvaluator
from nas_env.network import predict
from nas_env.objectives import OBJECTIVES
from nas_env.surrogates import SURROGATES, SurrogateTask

MakeEnv = Callable[..., gym.Env[Any, Any]]
ID = "NASMobile-v0"
DEVICES = ("zcu102", "vck190", "a100", "rtx3090", "tpuv2", "tpuv3")
WITH_LATENCY = DEVICES[:2]


def play(env: gym.Env[Any, Any], seed: int = 0) -> dict[str, Any]:
    """Play a random legal episode and return the last info's evaluation."""
    _, info = env.reset(seed=seed)
    rng, terminated = np.random.default_rng(seed), False
    while not terminated:
        action = rng.choice(np.flatnonzero(info["action_mask"]))
        _, reward, terminated, _, info = env.step(action)
    assert reward == info["evaluation"]["score"]
    return dict(info["evaluation"])


def latency(metric: str = "latency_ms", target: float = 5.0) -> Any:
    return OBJECTIVES.get("mnasnet-soft")(target=target, metric=metric)


def test_the_last_info_tells_all_numbers_and_how_well_they_are_known(make_env: MakeEnv) -> None:
    env: Any = make_env(ID)
    told, inner = play(env), env.unwrapped
    assert 0.4 < told["accuracy"] < told["accuracy_top5"] < 0.9
    assert all(told[f"{device}_throughput_img_s"] > 0 for device in DEVICES)
    assert [x for x in DEVICES if f"{x}_latency_ms" in told] == list(WITH_LATENCY)
    assert told["simulated_seconds"] > 600
    cost = predict(inner.candidate.architecture, inner.task.spec).to_json()
    assert {name: told[name] for name in cost} == cost
    surrogate = inner.evaluator.surrogate
    assert len(surrogate.errors) == 11
    for name, errors in surrogate.errors.items():
        assert (told[f"surrogate_r2_{name}"], told[f"surrogate_tau_{name}"]) == errors[:2]
        assert name in told
    assert inner.evaluator.metric_names == told.keys() - {"outcome", "message", "score"}


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_gives_its_numbers_without_its_name(make_env: MakeEnv, device: str) -> None:
    env: Any = make_env(ID, hardware=device)
    told = play(env)
    assert told["throughput_img_s"] == told[f"{device}_throughput_img_s"]
    assert told["ms_per_image"] == 1000 / told["throughput_img_s"]
    assert ("latency_ms" in told) is (device in WITH_LATENCY)
    if device in WITH_LATENCY:
        assert told["latency_ms"] == told[f"{device}_latency_ms"]
    assert env.unwrapped.evaluator.metric_names == told.keys() - {"outcome", "message", "score"}


def test_objectives_of_latency_and_of_throughput(make_env: MakeEnv) -> None:
    told = play(make_env(ID, hardware="vck190", objective=latency()))
    assert told["score"] == pytest.approx(told["accuracy"] * (told["latency_ms"] / 5) ** -0.07)
    told = play(make_env(ID, hardware="tpuv3", objective=latency("ms_per_image", 1.0)))
    assert told["score"] == pytest.approx(told["accuracy"] * told["ms_per_image"] ** -0.07)
    told = play(make_env(ID, objective=latency("zcu102_latency_ms")))
    assert told["score"] == pytest.approx(
        told["accuracy"] * (told["zcu102_latency_ms"] / 5) ** -0.07
    )


@pytest.mark.parametrize("hardware", [None, "a100"])
def test_latency_of_a_device_without_names_those_with(
    make_env: MakeEnv, hardware: str | None
) -> None:
    with pytest.raises(IncompatibleError, match="hardware='zcu102' or 'vck190'") as caught:
        make_env(ID, hardware=hardware, objective=latency())
    assert f"hardware={hardware!r} does not have" in str(caught.value)


def test_an_unknown_device_names_all(make_env: MakeEnv) -> None:
    with pytest.raises(UnknownNameError, match=r"'a1000'. Did you mean 'a100'\?") as caught:
        make_env(ID, hardware="a1000")
    assert all(device in str(caught.value) for device in DEVICES)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"hardwar": "a100"}, UnknownNameError, "Did you mean 'hardware'"),
        ({"objective": "negative-loss"}, IncompatibleError, "needs loss, .* Choose another"),
        ({"budget": {"epochs": 8}}, InvalidSettingError, "no fidelity of 8 epochs"),
        ({"store": "all.sqlite"}, InvalidSettingError, "store would have no effect"),
        ({"space": "chain", "workers": 2}, InvalidSettingError, "space and workers would"),
        ({"evaluator": "training"}, InvalidSettingError, "Give task=NAME or data=PATH"),
        ({"evaluator": "synthetic", "hardware": "a100"}, InvalidSettingError, "does not use"),
        ({"evaluator": "synthetic", "space": "chain"}, InvalidSettingError, "use NAS-v0"),
        ({"mdp": "edit", "start": "best"}, IncompatibleError, "nothing is stored"),
        ({"mdp": "edit", "observation": "loss-bins"}, IncompatibleError, "needs loss"),
        ({"max_params": 1000}, NASError, "1000"),
    ],
)
def test_what_means_nothing_is_refused(
    make_env: MakeEnv, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_env(ID, **settings)


def test_there_is_one_fidelity(make_env: MakeEnv) -> None:
    env = make_env(ID, budget={"max_seconds": 1.0})
    with pytest.raises(InvalidSettingError, match=r"no fidelity of 3 epochs.*Leave out fidelity"):
        env.reset(options={"fidelity": 3})
    env.reset(options={"fidelity": 1})


def test_nothing_is_trained_or_tested_on_imagenet() -> None:
    task: Any = SurrogateTask(SURROGATES.get("accel-nasbench")())
    assert (task.spec.input_shape, task.spec.num_outputs) == ((3, 224, 224), 1000)
    for use in (lambda: task.fit(None, Recipe(), Budget()), lambda: task.test(None)):
        with pytest.raises(IncompatibleError, match=r"'imagenet' has .* no data.* task=NAME"):
            use()


def test_another_task_has_no_surrogate(make_task: Callable[[str], Any]) -> None:
    with pytest.raises(IncompatibleError, match=r"task 'wine' has none. Use .* NASMobile-v0"):
        SurrogateEvaluator(make_task("wine"))


def test_a_walk_of_another_space_is_an_outcome(make_env: MakeEnv) -> None:
    inner: Any = make_env(ID).unwrapped
    good = inner.space.decode(inner.space.sample(np.random.default_rng(0)))
    budget = Budget(epochs=1)
    for walk in ((), good.walk[:-1], (*good.walk, 0), (10, *good.walk[1:])):
        (found,) = inner.evaluator.evaluate([Candidate(good.architecture, walk=walk)], budget)
        assert found.outcome is Outcome.CRASHED
        assert "has no walk" in found.message


def test_another_evaluator_evaluates_the_same_space(make_env: MakeEnv) -> None:
    env: Any = make_env(ID, evaluator="synthetic")
    told = play(env)
    assert env.unwrapped.space.input_shape == (3, 224, 224)
    assert "surrogate_r2_accuracy" not in told and told["params"] == play(make_env(ID))["params"]


def test_a_parameter_limit_is_kept(make_env: MakeEnv) -> None:
    limit = 2_500_000
    params = [play(make_env(ID, max_params=limit), seed)["params"] for seed in range(5)]
    free = [play(make_env(ID), seed)["params"] for seed in range(5)]
    assert max(params) <= limit < max(free)


def test_editing_begins_with_a_predicted_network(make_env: MakeEnv) -> None:
    env = make_env(ID, mdp="edit", observation="accuracy-bins")
    _, info = env.reset(seed=0)
    before = info["evaluation"]["accuracy"]
    action = int(np.flatnonzero(info["action_mask"])[0])
    *_, info = env.step(action)
    assert info["evaluation"]["accuracy"] != before


@pytest.mark.parametrize("objective", ["accuracy", "reward", "mnasnet-soft"])
def test_all_lanes_are_scored_as_one_is(objective: str) -> None:
    envs: Any = gym.make_vec(ID, num_envs=64, autoreset_mode="SameStep", objective=objective)
    _, infos = envs.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(28):
        weights = infos["action_mask"] * rng.random(infos["action_mask"].shape)
        _, rewards, terminated, _, infos = envs.step(weights.argmax(axis=1))
    assert terminated.all() and len(np.unique(rewards)) > 60
    final = infos["final_info"]["evaluation"]
    assert np.array_equal(rewards, final["score"])
    assert (rewards == final["accuracy"]).all() == (objective != "mnasnet-soft")


def test_an_episode_loads_no_torch() -> None:
    code = (
        "import sys, gymnasium, nas_env; env = gymnasium.make('NASMobile-v0'); env.reset();"
        "[env.step(0) for _ in range(28)]; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
