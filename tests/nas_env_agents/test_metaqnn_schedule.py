"""MetaQNN's exploration schedule and replay, as tables 1 and 2 and algorithms 1 to 3 print them."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import gymnasium
import numpy as np
import pytest

from nas_env.errors import InvalidSettingError
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import make_agent
from nas_env_agents.common.episodic import Step
from nas_env_agents.q_learning import METAQNN_SCHEDULE, QLearning
from tests.support.tiny_space import tiny_env

PRINTED = {
    1.0: 1500, 0.9: 100, 0.8: 100, 0.7: 100, 0.6: 150, 0.5: 150, 0.4: 150, 0.3: 150, 0.2: 150,
    0.1: 150,
}  # fmt: skip


def epsilons(limit: int, **settings) -> list[float]:
    """Return the epsilon that each network of a search of so many unique ones is chosen with."""
    agent = QLearning(tiny_env("state"), **settings)
    agent._total_timesteps = limit
    found = []
    for number in range(limit):
        agent.num_timesteps = number  # outside a search the share is that of the steps
        found.append(agent.epsilon)
    return found


def test_2700_networks_have_the_phases_that_are_printed():
    found = epsilons(2700)
    assert Counter(found) == PRINTED
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("limit", [10, 60, 250, 1000, 1350, 5400])
def test_the_phases_scale_to_any_limit(limit):
    found = epsilons(limit)
    assert found == sorted(found, reverse=True) and len(found) == limit
    for epsilon, networks in PRINTED.items():
        assert abs(found.count(epsilon) - networks * limit / 2700) < 1


@pytest.mark.parametrize("weights", [(1, 1, 1, 7), (3, 3, 3, 1)])
def test_ends_of_phases_are_exact_where_they_fall_on_a_network(weights):
    schedule = list(zip((0.9, 0.6, 0.3, 0.0), weights, strict=True))
    counts = Counter(epsilons(1000, schedule=schedule))
    assert [counts[x] for x, _ in schedule] == [round(1000 * w / sum(weights)) for w in weights]


def test_a_search_of_250_gives_each_epsilon_to_its_share_of_new_networks():
    """A network that was met before is played, replayed and not counted."""
    chain = gymnasium.make("NAS-v0", space="chain", evaluator="synthetic", observation="state")
    env = TrackSearch(chain, Limits(evaluations=250))
    agent = make_agent("q-learning", env, seed=0, preset="metaqnn", learning_rate=0.3)
    chosen: list[float] = []
    begin = agent.begin_episode
    agent.begin_episode = lambda mask: (chosen.append(agent.epsilon), begin(mask))[1]
    while env.finished is None:
        agent.learn(1)
    assert env.finished == "evaluations" and env.repeats > 20
    assert len(env.trials) == len(chosen) == len(agent.memory) == 250 + env.repeats
    new = [x for x, trial in zip(chosen, env.trials, strict=True) if trial.new]
    assert len(new) == 250 and new == epsilons(250)
    for epsilon, episodes in groupby(zip(chosen, env.trials, strict=True), key=lambda x: x[0]):
        trials = [trial for _, trial in episodes]
        assert sum(x.new for x in trials) == new.count(epsilon)
    again = {trial.walk: trial.score for trial in env.trials if trial.new}
    assert all(again[x.walk] == x.score for x in env.trials), "the accuracy that was found before"


def test_the_preset_is_the_papers():
    agent = make_agent("q-learning", tiny_env("state"), preset="metaqnn")
    assert (agent.learning_rate, agent.discount, agent.replay) == (0.01, 1.0, 100)
    assert (agent.q == 0.5).all() and agent.schedule == list(METAQNN_SCHEDULE)
    assert agent.bins and agent.replay_only and not agent.online
    assert dict(METAQNN_SCHEDULE) == PRINTED


def episode(rng: np.random.Generator, actions: int, reward: float) -> list[Step]:
    """Return a made-up episode of three steps over states 0 to 5."""
    states = [0, *rng.integers(1, 6, 2).tolist(), 0]
    none = np.zeros(actions, bool)
    masks = [rng.random(actions) < 0.6 for _ in range(2)]
    for mask in masks:
        mask[0] = True
    return [
        Step(states[0], int(rng.integers(actions)), 0.0, states[1], masks[0], False),
        Step(states[1], int(rng.integers(actions)), 0.0, states[2], masks[1], False),
        Step(states[2], int(rng.integers(actions)), reward, 0, none, True),
    ]


@pytest.mark.parametrize("replay_only", [True, False])
def test_100_episodes_are_replayed_backwards(replay_only):
    """Equation 3 by hand: Q += alpha (r + max of legal Q(s') - Q), the last transition first."""
    agent = QLearning(tiny_env("state"), seed=3, learning_rate=0.01, replay_only=replay_only)
    rng, actions = np.random.default_rng(5), agent.q.shape[1]
    q, draws = np.full(agent.q.shape, 0.5), np.random.default_rng(3)
    memory: list[list[Step]] = []
    for reward in (0.9, 0.1, 0.4, 0.8):
        steps = episode(rng, actions, reward)
        memory.append(steps)
        drawn = [memory[i] for i in draws.integers(len(memory), size=100)]
        for replayed in drawn if replay_only else [steps, *drawn]:
            for step in reversed(replayed):
                target = step.reward if step.done else q[step.after][step.mask].max()
                q[step.state, step.action] = 0.99 * q[step.state, step.action] + 0.01 * target
        agent.end_episode(steps)
    assert np.abs(agent.q - 0.5).max() > 0.05
    np.testing.assert_allclose(agent.q, q, rtol=0, atol=1e-12)
    forwards = np.full(agent.q.shape, 0.5)
    for step in memory[0]:
        target = step.reward if step.done else forwards[step.after][step.mask].max()
        forwards[step.state, step.action] += 0.01 * (target - forwards[step.state, step.action])
    assert forwards[0, memory[0][0].action] == 0.5, "the other order brings nothing to the start"


def test_replay_only_needs_a_replay(tmp_path):
    for wrong in ({"replay": 0}, {"online": True}):
        with pytest.raises(InvalidSettingError, match="Use online=False and replay >= 1"):
            QLearning(tiny_env("state"), replay_only=True, **wrong)
    agent = make_agent("q-learning", tiny_env("state"), preset="metaqnn", replay=1)
    agent.learn(40)
    agent.save(tmp_path / "agent")
    assert QLearning.load(tmp_path / "agent", tiny_env("state")).settings() == agent.settings()
