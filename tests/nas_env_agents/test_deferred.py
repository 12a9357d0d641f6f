"""Deferred scoring: the same weights and books as immediate scoring, from far fewer calls."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor, VecNormalize

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Deferred, Evaluator, EvaluatorWrapper, Halving
from nas_env.evaluators.synthetic import Synthetic
from nas_env.tasks import TASKS
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import make_agent
from nas_env_agents.common.deferred import DeferredRolloutBuffer, deferred_scoring
from nas_env_agents.common.vec_env import NASVecEnv
from nas_env_cli.search.session import run_search
from tests.support.tiny_space import tiny_env, tiny_space

LANES = 4
KINDS: list[tuple[Any, dict[str, Any]]] = [
    (PPO, {"n_steps": 32, "n_epochs": 2}),
    (MaskablePPO, {"n_steps": 32, "n_epochs": 2}),
    (A2C, {"n_steps": 16}),
]


class Counting(EvaluatorWrapper):
    """Counts the calls and the networks that reach the evaluator inside; claims some slots."""

    def __init__(self, evaluator: Evaluator, slots: int = 1) -> None:
        super().__init__(evaluator)
        self.free = True
        self.calls: list[int] = []
        self._slots = slots

    @property
    def slots(self) -> int:
        return self._slots

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        self.calls.append(len(candidates))
        return self.evaluator.evaluate(candidates, budget)


def counting(slots: int = 1) -> Counting:
    return Counting(Synthetic(TASKS.get("digits")()), slots)


def single(evaluator: Any, **settings: Any) -> gym.Env[Any, Any]:
    return gym.make("NAS-v0", space=tiny_space(), task="digits", evaluator=evaluator, **settings)


def shared(**settings: Any) -> tuple[Any, list[Counting]]:
    evaluator = counting()
    envs = [lambda: single(evaluator, **settings)] * LANES
    return DummyVecEnv(envs), [evaluator]


def own(**settings: Any) -> tuple[Any, list[Counting]]:
    evaluators = [counting() for _ in range(LANES)]
    return DummyVecEnv([lambda x=x: single(x, **settings) for x in evaluators]), evaluators


def vectorised(**settings: Any) -> tuple[Any, list[Counting]]:
    evaluator = counting()
    settings |= {"space": tiny_space(), "task": "digits", "evaluator": evaluator}
    envs = gym.make_vec("NAS-v0", num_envs=LANES, autoreset_mode="SameStep", **settings)
    return NASVecEnv(envs), [evaluator]


def learned(
    kind: Any, env: Any, deferred: bool, steps: int = 400, **settings: Any
) -> tuple[Any, dict[str, Any], list[float]]:
    """Return the agent, its weights, and the mean return that it logged after each rollout."""
    agent = kind("MlpPolicy", VecMonitor(env), seed=3, device="cpu", **settings)
    logged = Logged()
    if deferred:
        with deferred_scoring(agent):
            agent.learn(steps, logged)
    else:
        agent.learn(steps, logged)
    return agent, agent.policy.state_dict(), logged.means


class Logged(BaseCallback):
    """Keeps what `rollout/ep_rew_mean` is made of at the end of each rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.means: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.means.append(float(np.mean([x["r"] for x in self.model.ep_info_buffer or ()])))


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(("kind", "settings"), KINDS)
@pytest.mark.parametrize("make", [shared, own, vectorised])
@pytest.mark.parametrize("illegal", ["project", "stay"])  # to stay truncates, and bootstraps
def test_weights_and_logs_are_those_of_immediate_scoring(
    kind: Any, settings: dict[str, Any], make: Callable[..., Any], illegal: str
) -> None:
    results = []
    for deferred in (False, True):
        env, evaluators = make(illegal=illegal)
        agent, weights, means = learned(kind, env, deferred, **settings)
        assert len({x["l"] for x in agent.ep_info_buffer}) > 1, "lanes of different lengths"
        results.append((weights, means, evaluators))
    (expected, means, at_once), (weights, late_means, late) = results
    assert equal(expected, weights)
    assert late_means == pytest.approx(means, abs=1e-6)
    assert [sum(x.calls) for x in late] == [sum(x.calls) for x in at_once]
    rollouts = len(means)
    assert all(len(x.calls) <= rollouts for x in late)
    if make is not vectorised and kind is not A2C:
        assert sum(len(x.calls) for x in at_once) > 2.5 * sum(len(x.calls) for x in late)


@pytest.mark.parametrize(("kind", "settings"), KINDS[:2])
@pytest.mark.parametrize("vector", [False, True])
def test_weights_on_a_table(kind: Any, settings: dict[str, Any], vector: bool) -> None:
    weights = []
    for deferred in (False, True):
        if vector:
            envs = gym.make_vec("NASChain-v0", num_envs=LANES, autoreset_mode="SameStep")
            env: Any = NASVecEnv(envs)
        else:
            env = DummyVecEnv([lambda: gym.make("NASChain-v0")] * LANES)
        weights.append(learned(kind, env, deferred, **settings)[1])
        env.reset()
        rewards = [env.step(np.full(LANES, 14))[1] for _ in range(8)]
        assert not np.isnan(rewards).any(), "scored at once again after learning"
    assert equal(*weights)


@pytest.mark.parametrize("name", ["ppo", "maskable-ppo", "a2c"])
@pytest.mark.parametrize("slots", [1, 4])
def test_a_search_has_the_same_books(name: str, slots: int) -> None:
    """The limit on evaluations holds exactly, for a network counts when it is asked for."""
    found = []
    for deferred in (False, None):
        evaluator = counting(slots)
        result = run_search(name, single(evaluator), Limits(evaluations=30), 0, deferred=deferred)
        found.append((result, evaluator.calls))
    (one, at_once), (other, late) = found
    assert [x.candidate for x in one.tracker.trials] == [x.candidate for x in other.tracker.trials]
    for now, later in zip(one.tracker.trials, other.tracker.trials, strict=True):
        for value in ("episode", "evaluations", "new", "score", "distinct"):
            assert getattr(now, value) == getattr(later, value)
    assert one.best.candidate == other.best.candidate
    assert one.reason == other.reason == "evaluations"
    assert other.tracker.waiting == 0
    assert equal(one.agent.policy.state_dict(), other.agent.policy.state_dict())  # type: ignore[attr-defined]
    assert sum(late) == sum(at_once)
    if slots == 1:
        assert len(late) == len(at_once)
    else:
        assert len(late) < (len(at_once) if name == "a2c" else 0.2 * len(at_once))


def test_a_score_limit_is_noticed_after_its_rollout(caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(evaluations=300, until_score=0.55)
    now = run_search("ppo", single(counting()), limits, 0)
    assert not caplog.records
    late = run_search("ppo", single(counting()), limits, 0, deferred=True)
    assert now.reason == late.reason == "score"
    more = len(late.tracker.trials) - len(now.tracker.trials)
    assert 0 < more <= 64
    assert f"{more} networks were evaluated after until_score" in caplog.text
    assert [x.walk for x in late.tracker.trials][: len(now.tracker.trials)] == [
        x.walk for x in now.tracker.trials
    ]


def test_an_unsettled_reward_is_not_a_number() -> None:
    for env in (single(Deferred(counting())), single(Deferred(Deferred(counting())))):
        env.reset(seed=0)
        reward, over, info = 0.0, False, {}
        while not over:
            _, reward, over, _, info = env.step(0)
        assert np.isnan(reward)
        assert info["evaluation"]["outcome"] == Outcome.PENDING == "pending"
        assert np.isnan(info["evaluation"]["score"])


def test_settling_asks_once_per_budget_and_answers_in_order() -> None:
    inner = counting()
    deferred, direct = Deferred(inner), counting()
    space, rng = tiny_space(), np.random.default_rng(0)
    candidates = [space.decode(space.sample(rng)) for _ in range(6)]
    budgets = [Budget(1), Budget(2), Budget(1), Budget(1), Budget(2), Budget(1)]
    told: list[tuple[int, Evaluation]] = []
    for number, (candidate, budget) in enumerate(zip(candidates, budgets, strict=True)):
        assert deferred.evaluate([candidate], budget)[0].outcome is Outcome.PENDING
        deferred.then(lambda evaluation, _, number=number: told.append((number, evaluation)))
    assert (inner.calls, deferred.waiting) == ([], 6)
    found = deferred.settle()
    assert inner.calls == [4, 2]
    assert found == [direct.evaluate([x], b)[0] for x, b in zip(candidates, budgets, strict=True)]
    assert told == list(enumerate(found))
    assert deferred.settle() == [] and deferred.waiting == 0


def test_what_raises_goes_on_waiting() -> None:
    class Broken(Counting):
        def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
            if not self.calls:
                self.calls.append(0)
                raise OSError("no disk")
            return super().evaluate(candidates, budget)

    deferred = Deferred(Broken(counting()))
    deferred.evaluate([tiny_space().decode(next(iter(tiny_space().enumerate())))], Budget())
    with pytest.raises(OSError, match="no disk"):
        deferred.settle()
    assert deferred.waiting == 1
    assert deferred.settle()[0].ok


def test_the_store_stands_inside(tmp_path: Any) -> None:
    evaluator = counting()
    evaluator.free = False
    deferred = Deferred(evaluator)
    env = single(deferred, store=tmp_path / "store.sqlite")
    inner: Any = env.unwrapped
    assert inner.evaluator is deferred
    for _ in range(2):
        env.reset(seed=0)
        while not env.step(0)[2]:
            pass
    deferred.settle()
    assert evaluator.calls == [1]
    assert len(inner.store) == 1
    assert pickle.loads(pickle.dumps(deferred)).fingerprint == deferred.fingerprint


def test_an_interrupted_rollout_leaves_nothing_behind() -> None:
    class Interrupt(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 50:
                raise KeyboardInterrupt
            return True

    evaluator = counting(slots=2)
    env = single(evaluator)
    agent: Any = make_agent("ppo", env)
    with pytest.raises(KeyboardInterrupt):
        agent.learn(1000, Interrupt())
    inner: Any = env.unwrapped
    assert inner.evaluator is evaluator
    assert evaluator.calls == []
    agent.learn(128)
    assert evaluator.calls


def test_a_pending_reward_that_nobody_settles_is_an_error() -> None:
    env = single(Deferred(counting()))
    agent = PPO("MlpPolicy", env, n_steps=64, rollout_buffer_class=DeferredRolloutBuffer)
    with pytest.raises(IncompatibleError, match="is NaN without a pending evaluation"):
        agent.learn(128)
    with deferred_scoring(agent):
        agent.learn(128)
    assert not np.isnan(agent.rollout_buffer.rewards).any()


def normalised() -> Any:
    return VecNormalize(DummyVecEnv([lambda: single("synthetic", observation="features")]))


def edited() -> Any:
    return DummyVecEnv([lambda: gym.make("NASEdit-v0", evaluator="synthetic")])


def wrapped(wrapper: Any) -> Callable[[], Any]:
    return lambda: DummyVecEnv([lambda: wrapper(single("synthetic"))])


@pytest.mark.parametrize(
    ("kind", "make", "message"),
    [
        (PPO, normalised, "VecNormalize changes each reward. Give it norm_reward=False"),
        (PPO, edited, "observations of 'Edit' contain the score. Use mdp='construct'"),
        (PPO, wrapped(gym.wrappers.NormalizeReward), "The wrapper NormalizeReward changes"),
        (
            PPO,
            wrapped(lambda env: gym.wrappers.TransformReward(env, lambda x: 2 * x)),
            "The wrapper TransformReward changes each reward. Leave it out",
        ),
        (PPO, lambda: DummyVecEnv([lambda: gym.make("CartPole-v1")]), "CartPoleEnv is not an env"),
        (DQN, wrapped(lambda env: env), "DQN has no supported rollout buffer"),
    ],
)
def test_what_would_be_wrong_is_refused(kind: Any, make: Callable[[], Any], message: str) -> None:
    agent = kind("MlpPolicy", make())
    with pytest.raises(IncompatibleError, match=message), deferred_scoring(agent):
        raise AssertionError("must not be entered")


def test_other_processes_are_refused() -> None:
    env = SubprocVecEnv([lambda: tiny_env("tokens")])
    try:
        agent = PPO("MlpPolicy", env)
        with pytest.raises(IncompatibleError, match="SubprocVecEnv is not supported"):
            deferred_scoring(agent).__enter__()
    finally:
        env.close()


@pytest.mark.parametrize("name", ["dqn", "masked-dqn", "q-learning", "regularized-evolution"])
def test_agents_that_learn_step_by_step_are_refused(name: str) -> None:
    with pytest.raises(IncompatibleError, match=f"cannot be deferred for '{name}'"):
        make_agent(name, tiny_env("tokens" if name != "q-learning" else "state"), deferred=True)
    make_agent(name, tiny_env("tokens" if name != "q-learning" else "state"), deferred=False)


def test_an_edit_is_scored_at_once_whatever_the_slots() -> None:
    env = gym.make("NASEdit-v0", evaluator=counting(slots=4))
    agent: Any = make_agent("ppo", env)
    assert not agent.defers
    with pytest.raises(IncompatibleError, match="cannot be deferred for 'ppo'"):
        make_agent("ppo", env, deferred=True)
    assert make_agent("ppo", single(counting(slots=4))).defers  # type: ignore[attr-defined]


def test_normalised_observations_are_fine() -> None:
    env = VecNormalize(DummyVecEnv([lambda: single("synthetic", observation="features")]))
    env.norm_reward = False
    agent = PPO("MlpPolicy", env, n_steps=64)
    with deferred_scoring(agent):
        agent.learn(128)
    assert not np.isnan(agent.rollout_buffer.rewards).any()


class Timed(Counting):
    """Says that each network took five seconds, and takes a clock's time for it if told to."""

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        found = super().evaluate(candidates, budget)
        return [Evaluation(x.outcome, x.metrics, x.curve, x.epochs, 5.0) for x in found]


def test_what_was_made_before_costs_what_it_cost_then() -> None:
    """Found evaluations are charged, shared by the slots."""
    deferred = Deferred(Timed(Synthetic(TASKS.get("digits")()), slots=2))
    tracker = TrackSearch(single(deferred), Limits(seconds=1000), clock=lambda: 7.0)
    for action in (0, 1, 0):
        tracker.reset(seed=0)
        while not tracker.step(action)[2]:
            pass
    assert (tracker.evaluations, tracker.waiting, tracker.trials) == (2, 3, [])
    deferred.settle()
    assert (tracker.waiting, len(tracker.trials)) == (0, 3)
    assert tracker.seconds == pytest.approx(2 * 5.0 / 2, abs=0.1)
    assert [x.episode for x in tracker.trials] == [1, 2, 3]
    assert tracker.best is not None and not np.isnan(tracker.best.score)


def test_halving_gets_whole_rollouts() -> None:
    inner = counting()
    env = single(Halving(inner), budget={"epochs": 9})
    result = run_search("ppo", env, Limits(evaluations=30), 0, deferred=True)
    assert result.tracker.evaluations == 30
    lowest, next_one, top = inner.calls[:3]
    assert lowest > 6
    assert (next_one, top) == (lowest // 3, max(1, lowest // 9))
