"""Measured latency: what is measured, what is left as it was, and what asks for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import gymnasium as gym
import pytest
import torch
from torch import nn

from nas_env.errors import IncompatibleError, InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import EVALUATORS, Evaluator, Halving, Latency, latency
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES, Constrained, MnasNet, Objective, WeightedSum
from nas_env.store import MemoryStore
from nas_env.tasks import Task

HARD = MnasNet(target=1e-6, metric="latency_ms", below=0.0, above=-1.0)
OF_LATENCY: dict[str, Objective] = {
    "mnasnet-soft": OBJECTIVES.get("mnasnet-soft")(target=1e-6, metric="latency_ms"),
    "mnasnet-hard": OBJECTIVES.get("mnasnet-hard")(target=1e-6, metric="latency_ms"),
    "constrained": Constrained({"latency_ms": 1e-6}),
    "weighted-sum": WeightedSum({"accuracy": 1.0, "latency_ms": -1e-3}),
}
QUICK = {"repeats": 3, "warm_up": 1}


class Spy(nn.Module):
    """Notes in what circumstances it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.normal = nn.BatchNorm1d(4)
        self.calls: list[dict[str, Any]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.normal(x) * self.weight
        self.calls.append(
            {
                "shape": tuple(x.shape),
                "training": self.training,
                "grad": out.requires_grad,
                "threads": torch.get_num_threads(),
                "type": nn.functional.linear(x, x).dtype,
            }
        )
        return out


def test_a_pass_is_one_batch_on_one_thread_without_gradients() -> None:
    network, before = Spy(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        state = torch.get_rng_state()
        Latency(batch_size=3, repeats=4, warm_up=2).measure(network, (4,), "cpu")
        assert torch.get_num_threads() == 2 and torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(before)
    call = {"shape": (3, 4), "training": False, "grad": False, "threads": 1}
    assert network.calls == [{**call, "type": torch.float32}] * 6
    assert network.training and network.normal.training
    assert int(network.normal.num_batches_tracked) == 0
    low = Spy().eval()
    Latency(repeats=1, warm_up=0).measure(low, (4,), "cpu", "bfloat16")
    assert [x["type"] for x in low.calls] == [torch.bfloat16] and not low.training


def test_threads_and_mode_come_back_also_after_an_error() -> None:
    network, before = nn.Linear(5, 2), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            Latency().measure(network, (4,), "cpu")
        assert torch.get_num_threads() == 2 and network.training
    finally:
        torch.set_num_threads(before)


def test_it_is_the_median_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    passes, ticks, now = [0.5, 0.002, 0.009, 0.004], count(), [0.0]

    def clock() -> float:
        tick = next(ticks)
        now[0] += passes[1 + tick // 2] if tick % 2 else 100.0  # between passes time goes on
        return now[0]

    monkeypatch.setattr(latency.time, "perf_counter", clock)
    found = Latency(repeats=3, warm_up=1).measure(nn.Linear(4, 2), (4,), "cpu")
    assert found == pytest.approx(4.0) and next(ticks) == 6


def test_what_an_argument_stands_for() -> None:
    assert Latency.of(None) is Latency.of(False) is None
    assert Latency.of(True) == Latency.of({}) == Latency() == Latency(1, 50, 10)
    assert Latency.of({"batch_size": 8}) == Latency(batch_size=8)
    with pytest.raises(UnknownNameError, match=r"latency setting 'repeat'. Did you mean 'repeats'"):
        Latency.of({"repeat": 3})
    with pytest.raises(InvalidSettingError, match="must be True, False or a dict, got 50"):
        Latency.of(50)  # type: ignore[arg-type]
    for settings in ({"repeats": 0}, {"batch_size": 1.5}, {"warm_up": -1}, {"warm_up": False}):
        name = next(iter(settings))
        with pytest.raises(InvalidSettingError, match=f"{name} must be an integer >= "):
            Latency(**settings)  # type: ignore[arg-type]


def test_only_who_asks_has_it_and_a_fingerprint_of_its_own(
    make_task: Callable[[str], Task], make_env: Callable[..., gym.Env[Any, Any]]
) -> None:
    task = make_task("wine")
    plain, quick = Training(task, "cpu"), Training(task, "cpu", latency=QUICK)
    more = Training(task, "cpu", latency={**QUICK, "batch_size": 2})
    assert quick.fingerprint.startswith(f"{plain.fingerprint}/latency(")
    assert len({plain.fingerprint, quick.fingerprint, more.fingerprint}) == 3
    assert latency.processor("cpu") in quick.fingerprint
    candidate: Any = make_env(task="wine", evaluator="synthetic").unwrapped
    candidate = candidate.space.decode(candidate.space.sample(candidate.np_random))
    metrics = [x.evaluate([candidate], Budget(epochs=1))[0].metrics for x in (plain, quick)]
    assert metrics[1]["latency_ms"] > 0
    assert {**metrics[0], "latency_ms": metrics[1]["latency_ms"]} == metrics[1]


@pytest.mark.parametrize("name", OF_LATENCY)
def test_objectives_of_latency_reward_what_is_measured(name: str) -> None:
    store, scores = MemoryStore(), []
    settings = {"task": "wine", "budget": {"epochs": 1}, "device": "cpu", "store": store}
    for _ in range(2):
        env = gym.make("NAS-v0", objective=OF_LATENCY[name], latency=QUICK, **settings)
        env.reset(seed=0)
        done = False
        while not done:
            mask = env.unwrapped.action_masks()  # type: ignore[attr-defined]
            _, reward, done, _, info = env.step(int(mask.nonzero()[0][-1]))
        evaluation = Evaluation(Outcome.OK, info["evaluation"])
        assert reward == info["evaluation"]["score"] == OF_LATENCY[name].score(evaluation)
        assert reward != OBJECTIVES.get("accuracy")().score(evaluation)
        scores.append(reward)
    assert scores[0] == scores[1] and len(store) == 1, "the store keeps the first measurement"


@pytest.mark.parametrize("name", OF_LATENCY)
def test_what_nobody_measures_is_refused_before_anything_is_trained(name: str) -> None:
    for evaluator in ("training", "synthetic", "halving"):
        with pytest.raises(IncompatibleError, match=r"needs latency_ms, which .* latency=True"):
            gym.make("NAS-v0", task="wine", objective=OF_LATENCY[name], evaluator=evaluator)
    with pytest.raises(IncompatibleError, match="needs latency_ms, but the evaluation has accu"):
        OF_LATENCY[name].score(Evaluation(Outcome.OK, {"accuracy": 0.5}))


@pytest.mark.parametrize("name", ["training", "halving", "median-stopping"])
def test_evaluators_that_train_measure(name: str, make_task: Callable[[str], Task]) -> None:
    made: Evaluator = EVALUATORS.get(name)(
        task=make_task("wine"), device="cpu", precision="float32", latency=Latency(**QUICK)
    )
    assert made.measures_latency and "latency(" in made.fingerprint
    plain = EVALUATORS.get(name)(task=make_task("wine"), device="cpu", precision="float32")
    assert not plain.measures_latency


def test_latency_is_asked_of_who_can_measure_it(make_task: Callable[[str], Task]) -> None:
    with pytest.raises(InvalidSettingError, match="'synthetic' cannot measure latency"):
        gym.make("NAS-v0", evaluator="synthetic", latency=True)
    with pytest.raises(InvalidSettingError, match=r"passed as an object. Use .*latency=True\)"):
        gym.make("NAS-v0", task="wine", evaluator=Training(make_task("wine")), latency=True)
    with pytest.raises(InvalidSettingError, match="so latency would have no effect"):
        gym.make("NASBench201-v0", latency=True)
    around = Halving(Training(make_task("wine"), "cpu", latency=QUICK))
    made: Any = gym.make("NAS-v0", task="wine", evaluator=around, objective=HARD).unwrapped
    assert made.evaluator.unwrapped.measures_latency


def test_worker_processes_measure_too() -> None:
    settings: dict[str, Any] = {"task": "wine", "budget": {"epochs": 1}, "device": "cpu"}
    with gym.make("NAS-v0", objective=HARD, latency=QUICK, workers=1, **settings) as env:
        env.reset(seed=0)
        done = False
        while not done:
            mask = env.unwrapped.action_masks()  # type: ignore[attr-defined]
            _, reward, done, _, info = env.step(int(mask.nonzero()[0][-1]))
    assert info["evaluation"]["outcome"] == "ok", info
    assert 0 < reward < info["evaluation"]["accuracy"]


def first_network(env: gym.Env[Any, Any]) -> dict[str, Any]:
    """Return the evaluation of the network that the last legal decisions make."""
    env.reset(seed=0)
    done = False
    while not done:
        mask = env.unwrapped.action_masks()  # type: ignore[attr-defined]
        _, _, done, _, info = env.step(int(mask.nonzero()[0][-1]))
    return dict(info["evaluation"])


@pytest.mark.parametrize("evaluator", ["training", "halving", "median-stopping"])
def test_a_network_over_the_limit_is_not_trained(
    evaluator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Latency, "measure", lambda *_: 2.5)
    settings: dict[str, Any] = {"task": "wine", "evaluator": evaluator, "device": "cpu"}
    for limit, outcome, epochs in ((2.5, "ok", 1), (2.4, "too_large", 0)):
        budget, store = {"epochs": 1, "max_latency_ms": limit}, MemoryStore()
        env: Any = gym.make("NAS-v0", budget=budget, store=store, latency=QUICK, **settings)
        told = first_network(env)
        assert told["outcome"] == outcome
        assert env.unwrapped.evaluation.epochs == epochs
        if outcome == "ok":
            assert told["latency_ms"] == 2.5 and "max_latency_ms" in env.unwrapped.budget.text
        else:
            assert told["score"] == env.unwrapped.objective.failure
            assert env.unwrapped.evaluation.message == "Measured 2.5 ms, limit 2.4 ms."


def test_a_network_is_measured_once_and_other_limits_come_first(
    make_task: Callable[[str], Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[float] = []
    monkeypatch.setattr(Latency, "measure", lambda *_: measured.append(1.0) or 1.0)
    training = Training(make_task("wine"), "cpu", latency=QUICK)
    env: Any = gym.make("NAS-v0", task="wine", evaluator="synthetic").unwrapped
    candidate = env.space.decode(env.space.sample(env.np_random))
    for limit in ({"max_latency_ms": 0.5}, {"max_latency_ms": 2.0}, {}):
        training.evaluate([candidate], Budget(epochs=1, **limit))
    assert len(measured) == 1
    small = Budget(epochs=1, max_macs=1, max_latency_ms=0.5)
    (found,) = Training(make_task("wine"), "cpu", latency=QUICK).evaluate([candidate], small)
    assert "MACs, limit 1" in found.message and len(measured) == 1


def test_a_limit_that_nothing_measures_is_refused(make_task: Callable[[str], Task]) -> None:
    budget = {"epochs": 1, "max_latency_ms": 1.0}
    for evaluator in ("training", "synthetic", Training(make_task("wine"), "cpu")):
        with pytest.raises(IncompatibleError, match=r"max_latency_ms=1.0, which .* latency=True"):
            gym.make("NAS-v0", task="wine", evaluator=evaluator, budget=budget)
    with pytest.raises(IncompatibleError, match=r"max_latency_ms=1.0, which evaluator Surrogate"):
        gym.make("NASMobile-v0", hardware="zcu102", budget={"max_latency_ms": 1.0})
    with pytest.raises(IncompatibleError, match="but latency is not measured"):
        Training(make_task("wine"), "cpu").evaluate([], Budget(**budget))
    with pytest.raises(InvalidSettingError, match="max_latency_ms must be > 0 and finite"):
        Budget(max_latency_ms=0.0)
