"""Asynchronous agents: the decisions of those that step with one slot, no idle slots with many."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators import EvaluatorWrapper
from nas_env.evaluators.synthetic import Synthetic
from nas_env.tasks import TASKS
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import AGENTS, make_agent
from nas_env_cli.search.session import run_search
from tests.support.tiny_space import tiny_env, tiny_space

PAIRS = [("async-random", "random"), ("async-regularized-evolution", "regularized-evolution")]
NAMES = [name for name, _ in PAIRS]


class Slots(EvaluatorWrapper):
    """An evaluator whose evaluations end when `choose` says which of those that run."""

    def __init__(self, slots: int, choose: Callable[[list[int]], int]) -> None:
        super().__init__(Synthetic(TASKS.get("digits")()))
        self.free = True
        self._slots, self.choose = slots, choose
        self.begun: list[Candidate] = []
        self.ended: list[int] = []
        self.most = 0
        self.running: dict[int, tuple[Future[Evaluation], Budget]] = {}

    @property
    def slots(self) -> int:
        return self._slots

    def evaluate(self, candidates: Any, budget: Budget) -> list[Evaluation]:
        raise AssertionError("nothing may be waited for alone")

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        future: Future[Evaluation] = Future()
        self.running[len(self.begun)] = future, budget
        self.begun.append(candidate)
        self.most = max(self.most, len(self.running))
        return future

    def stream(self, candidates: Any, budget: Budget) -> Any:
        """As the interface's, but one evaluation ends whenever all slots are taken or none asks."""
        source, indices = enumerate(candidates), {}
        more = True
        while True:
            while more and len(self.running) < self.slots:
                index, candidate = next(source, (-1, None))
                more = candidate is not None
                if candidate is not None:
                    self.submit(candidate, budget)
                    indices[len(self.begun) - 1] = index
            if not self.running:
                return
            number = self.choose(sorted(self.running))
            self.running.pop(number)
            self.ended.append(number)
            yield indices.pop(number), self.evaluator.evaluate([self.begun[number]], budget)[0]


def oldest(running: list[int]) -> int:
    return running[0]


def env_with(evaluator: Any, **settings: Any) -> gym.Env[Any, Any]:
    return gym.make("NAS-v0", space=tiny_space(), task="digits", evaluator=evaluator, **settings)


@pytest.mark.parametrize(("name", "steps"), PAIRS)
@pytest.mark.parametrize("limits", [Limits(evaluations=60), Limits(episodes=45)])
def test_one_slot_makes_the_decisions_of_steps(name: str, steps: str, limits: Limits) -> None:
    found = []
    for agent in (name, steps):
        result = run_search(agent, tiny_env(AGENTS.get(agent).observation), limits, 5)
        found.append(result)
    one, other = (x.tracker for x in found)
    assert [x.walk for x in one.trials] == [x.walk for x in other.trials]
    for value in ("evaluations", "repeats", "episodes", "actions"):
        assert getattr(one, value) == getattr(other, value)
    for mine, theirs in zip(one.trials, other.trials, strict=True):
        for value in ("episode", "evaluations", "new", "evaluation", "score", "distinct"):
            assert getattr(mine, value) == getattr(theirs, value)
    assert one.best is not None and other.best is not None
    assert one.best.walk == other.best.walk
    assert found[0].reason == found[1].reason
    assert found[0].agent.num_timesteps == found[1].agent.num_timesteps  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "steps"), PAIRS)
def test_one_slot_makes_them_in_two_calls_and_without_a_search(name: str, steps: str) -> None:
    told: dict[str, list[Any]] = {}
    for agent_name in (name, steps):
        agent: Any = make_agent(agent_name, tiny_env(AGENTS.get(agent_name).observation), seed=2)
        agent.learn(60)
        agent.learn(41)
        told[agent_name] = [agent.num_timesteps, agent.rng.bit_generator.state]
    assert told[name] == told[steps]


@pytest.mark.parametrize("name", NAMES)
def test_a_slow_network_holds_nobody_up(name: str) -> None:
    """The third network never ends while others run; 3 of 4 slots go on with all the rest."""

    def choose(running: list[int]) -> int:
        return next((x for x in running if x != 2), 2)

    evaluator = Slots(4, choose)
    result = run_search(name, env_with(evaluator), Limits(evaluations=40), 0)
    slow = evaluator.ended.index(2)
    assert evaluator.most == 4
    assert slow >= 39, "all others were done before it"
    assert len(evaluator.ended) == len(evaluator.begun) == len(result.tracker.trials)
    assert result.tracker.evaluations == 40
    assert result.reason == "evaluations"
    order = [evaluator.begun[number].walk for number in evaluator.ended]
    assert [x.walk for x in result.tracker.trials] == order


@pytest.mark.parametrize("name", NAMES)
def test_real_futures_of_a_slow_network_hold_nobody_up(name: str) -> None:
    """With the interface's own `stream`: the first future ends when 20 others have."""

    class Held(Slots):
        held: Future[Evaluation] | None = None
        stream = EvaluatorWrapper.stream

        def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
            future: Future[Evaluation] = Future()
            self.begun.append(candidate)
            [evaluation] = self.evaluator.evaluate([candidate], budget)
            if len(self.begun) == 1:
                self.held, self.answer = future, evaluation
                return future
            if len(self.begun) == 20 and self.held is not None:
                self.held.set_result(self.answer)
            future.set_result(evaluation)
            return future

    evaluator = Held(4, oldest)
    result = run_search(name, env_with(evaluator), Limits(evaluations=30), 0)
    place = [x.walk for x in result.tracker.trials].index(evaluator.begun[0].walk)
    assert place >= 18
    assert result.tracker.evaluations == 30


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("slots", [2, 7])
def test_limits_are_kept_with_what_runs(name: str, slots: int) -> None:
    rng = np.random.default_rng(slots)
    for limits in (Limits(evaluations=25), Limits(episodes=25)):
        evaluator = Slots(slots, lambda running: int(rng.choice(running)))
        tracker = run_search(name, env_with(evaluator), limits, 3).tracker
        assert tracker.charged == 25 or limits.episodes == tracker.episodes == 25
        assert len(evaluator.begun) == len(evaluator.ended) == tracker.episodes
        assert not evaluator.running


@pytest.mark.parametrize("name", NAMES)
def test_a_score_ends_it_without_waiting(name: str) -> None:
    evaluator = Slots(4, oldest)
    limits = Limits(evaluations=300, until_score=0.55)
    result = run_search(name, env_with(evaluator), limits, 0)
    assert result.reason == "score"
    assert result.tracker.trials[-1].score >= 0.55
    assert len(evaluator.running) == 3


@pytest.mark.parametrize("name", NAMES)
def test_it_stagnates(name: str) -> None:
    env = env_with(Slots(3, oldest))
    only = next(iter(tiny_space().enumerate()))
    tracker = TrackSearch(env, Limits(evaluations=4))
    agent: Any = make_agent(name, tracker)
    agent.propose = lambda: only

    class Until(BaseCallback):
        def _on_step(self) -> bool:
            return tracker.finished is None

    agent.learn(10**9, Until())
    assert tracker.finished == "stagnation"
    assert tracker.evaluations == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_interruption_is_clean(name: str) -> None:
    stops = [25]

    def choose(running: list[int]) -> int:
        if stops and running[0] > stops[0]:
            stops.clear()
            raise KeyboardInterrupt
        return running[0]

    evaluator = Slots(4, choose)
    tracker = TrackSearch(env_with(evaluator), Limits(evaluations=60))
    agent: Any = make_agent(name, tracker)
    with pytest.raises(KeyboardInterrupt):
        agent.learn(10**6)
    kept = len(tracker.trials)
    assert kept == len(evaluator.ended) > 20
    evaluator.running.clear()  # as closing the evaluator does
    agent.learn(10**6)
    assert tracker.finished == "evaluations"
    assert [x.walk for x in tracker.trials] == [evaluator.begun[x].walk for x in evaluator.ended]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_told_before_is_recalled(name: str) -> None:
    whole = run_search(name, env_with(Slots(3, oldest)), Limits(evaluations=40), 1)
    told = [(x.candidate, x.evaluation) for x in whole.tracker.trials[:30]]
    evaluator = Slots(3, oldest)
    tracker = TrackSearch(env_with(evaluator), Limits(evaluations=40))
    agent: Any = make_agent(name, tracker, seed=1)
    agent.recall(told)
    assert [x.walk for x in tracker.trials] == [x.walk for x in whole.tracker.trials[:30]]
    assert evaluator.begun == []
    if name != "async-random":
        kept = [(x.walk, x.score) for x in whole.tracker.trials[20:30]]
        assert list(agent.population) == kept
    agent.learn(10**6)
    assert tracker.finished == "evaluations"
    assert tracker.charged == 40
    again = [x.walk for x in tracker.trials[30:]]
    assert again != [x.walk for x in whole.tracker.trials[: len(again)]], "other random numbers"


@pytest.mark.parametrize("name", NAMES)
def test_edits_are_refused(name: str) -> None:
    with pytest.raises(IncompatibleError, match="mdp='edit' scores every step"):
        make_agent(name, gym.make("NASEdit-v0", evaluator="synthetic"))


@pytest.mark.parametrize("name", NAMES)
def test_an_evaluator_that_needs_batches_is_refused(name: str) -> None:
    env = gym.make("NAS-v0", task="wine", evaluator="halving")
    with pytest.raises(IncompatibleError, match="needs batches"):
        make_agent(name, env)
