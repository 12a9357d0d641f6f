"""Successive halving: rungs, survivors, and what one fidelity leaves of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import gymnasium as gym
import pytest

from nas_env.errors import InvalidSettingError
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import make_agent
from nas_env_agents.successive_halving import SuccessiveHalving, rungs_of
from tests.support.tiny_space import tiny_env


class Staged(gym.Wrapper):
    """Answers for several numbers of epochs, and writes down which was asked for."""

    def __init__(self, fidelities) -> None:
        super().__init__(tiny_env("tokens"))
        self.unwrapped.evaluator.fidelities = fidelities
        if fidelities:
            self.unwrapped.budget = replace(self.unwrapped.budget, epochs=max(fidelities))
        self.asked = []

    def reset(self, *, seed=None, options=None):
        options = dict(options or {})
        if epochs := options.pop("fidelity", None):
            self.unwrapped.budget = replace(self.unwrapped.budget, epochs=epochs)
        self.asked.append(epochs)
        return self.env.reset(seed=seed, options=options or None)


def played(agent, episodes):
    """Let an agent learn; return (fidelity, walk, score) of each episode."""
    found = []
    tell = agent.tell

    def watched(walk, score):
        found.append((agent.env.asked[-1], walk, score))
        tell(walk, score)

    agent.tell = watched
    while len(found) < episodes:
        agent.learn(1)
    return found


def test_a_bracket_keeps_the_best_third_at_each_rung():
    agent = SuccessiveHalving(Staged((1, 3, 9)), seed=0, bracket_size=9)
    found = played(agent, 26)
    assert Counter(fidelity for fidelity, *_ in found[:13]) == {1: 9, 3: 3, 9: 1}
    assert [fidelity for fidelity, *_ in found[13:]] == [1] * 9 + [3] * 3 + [9]
    first, second, last = found[:9], found[9:12], found[12]
    best = sorted(first, key=lambda row: -row[2])[:3]
    assert [walk for _, walk, _ in second] == [walk for _, walk, _ in best]
    assert last[1] == max(second, key=lambda row: row[2])[1]
    assert not {walk for _, walk, _ in first} & {walk for _, walk, _ in found[13:22]}


def test_scores_of_different_fidelities_are_not_compared():
    agent = SuccessiveHalving(Staged((1, 9)), bracket_size=3)
    agent.rung = 0
    agent.keep((1,), 0.9)
    agent.rung = 1
    agent.keep((2,), 0.4)
    assert (agent.best, agent.best_score) == ((2,), 0.4)
    agent.rung = 0
    agent.keep((3,), 1.0)
    assert agent.best == (2,)
    agent.rung = 1
    agent.keep((4,), 0.5)
    assert agent.best == (4,)


@pytest.mark.parametrize("fidelities", [None, (), (8,)])
def test_with_one_fidelity_it_is_random_search(fidelities):
    env = Staged(fidelities)
    agent = SuccessiveHalving(env, bracket_size=4)
    found = played(agent, 10)
    assert env.asked == [None] * 10
    assert len({walk for _, walk, _ in found}) == 10


@pytest.mark.parametrize("bracket_size", [1, 2, 5])
def test_a_bracket_too_small_to_halve_ends_at_the_top_all_the_same(bracket_size):
    agent = SuccessiveHalving(Staged((12, 200)), bracket_size=bracket_size, eta=3)
    found = played(agent, 2 * (bracket_size + 1))
    assert [fidelity for fidelity, *_ in found] == ([12] * bracket_size + [200]) * 2
    assert found[bracket_size][1] == max(found[:bracket_size], key=lambda row: row[2])[1]


def test_every_bracket_ends_at_the_fidelity_of_the_environment():
    env = TrackSearch(gym.make("NASChain-v0", observation="tokens"), Limits(evaluations=10**6))
    agent = make_agent("successive-halving", env)
    while len(env.trials) < 2 * (27 + 9 + 3):
        agent.learn(1)
    epochs = [trial.evaluation.epochs for trial in env.trials]
    assert epochs == ([1] * 27 + [2] * 9 + [6] * 3) * 2
    assert agent.best in [trial.walk for trial in env.trials if trial.evaluation.epochs == 6]


def test_no_rung_is_above_the_fidelity_of_the_environment():
    agent = make_agent("successive-halving", gym.make("NASChain-v0", fidelity=4))
    assert agent.fidelities == (1, 4)


@pytest.mark.parametrize(
    ("fidelities", "eta", "rungs"),
    [
        ((1, 2, 3, 4, 5, 6), 3, (1, 2, 6)),
        ((1, 2, 3, 4, 5, 6), 2, (1, 3, 6)),
        ((12, 200), 3, (12, 200)),
        ((11, 12), 3, (11, 12)),
        ((1, 3, 9, 27), 3, (1, 3, 9, 27)),
        ((8,), 3, (8,)),
        ((), 3, ()),
    ],
)
def test_rungs_are_chosen_from_the_top(fidelities, eta, rungs):
    assert rungs_of(fidelities, eta) == rungs


def test_it_goes_on_where_it_was_saved(tmp_path):
    agent = SuccessiveHalving(Staged((1, 3, 9)), seed=4, bracket_size=9)
    played(agent, 10)
    agent.save(tmp_path / "agent")
    again = SuccessiveHalving.load(tmp_path / "agent", Staged((1, 3, 9)))
    assert played(agent, 15) == played(again, 15)
    assert (agent.best, agent.best_rung) == (again.best, again.best_rung)


@pytest.mark.parametrize(("setting", "value"), [("bracket_size", 0), ("eta", 1)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(InvalidSettingError, match=f"{setting} must be an integer >= {value + 1}"):
        make_agent("successive-halving", tiny_env("tokens"), **{setting: value})
