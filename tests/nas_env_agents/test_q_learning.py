"""The tabular update, the replay, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from nas_env.errors import IncompatibleError, InvalidDataError, InvalidSettingError
from nas_env_agents.common.episodic import Step
from nas_env_agents.q_learning import METAQNN_SCHEDULE, QLearning
from tests.support.tiny_space import tiny_env

ALL = np.ones(8, dtype=bool)


def make(**settings) -> QLearning:
    return QLearning(tiny_env("state"), **settings)


def test_update_goes_backwards_over_legal_decisions():
    agent = make(learning_rate=0.5, initial_value=0.0)
    agent.q[1, 2] = 9.0  # illegal after the first step, so it must not leak into the target
    mask = (
        ALL[: agent.q.shape[1]].copy() if agent.q.shape[1] <= 8 else np.ones(agent.q.shape[1], bool)
    )
    mask[2] = False
    none = np.zeros(agent.q.shape[1], bool)
    agent.update([Step(0, 0, 0.0, 1, mask, False), Step(1, 1, 1.0, 2, none, True)])
    assert agent.q[1, 1] == 0.5  # 0 + 0.5 * (1 - 0)
    assert agent.q[0, 0] == 0.25  # saw the value that the last step had just got


def test_metaqnn_schedule_has_2700_networks():
    assert sum(count for _, count in METAQNN_SCHEDULE) == 2700


def test_initial_value_and_replay_are_used():
    agent = make(initial_value=0.7, replay=5)
    assert (agent.q == 0.7).all()
    agent.learn(100)
    assert len(agent.memory) > 5
    assert agent.visits.sum() == sum(map(len, agent.memory))


def test_load_restores_table_and_memory(tmp_path):
    agent = make(replay=3)
    agent.learn(60)
    agent.save(tmp_path / "q")
    loaded = QLearning.load(tmp_path / "q", tiny_env("state"))
    assert np.array_equal(loaded.q, agent.q)
    assert len(loaded.memory) == len(agent.memory)
    assert [s.action for s in loaded.memory[0]] == [s.action for s in agent.memory[0]]
    agent.update(agent.memory[0])
    loaded.update(loaded.memory[0])
    assert np.array_equal(loaded.q, agent.q)


def test_bins_make_a_smaller_table():
    assert make(bins=True).q.shape[0] < make().q.shape[0]


def test_refusals(tmp_path):
    with pytest.raises(IncompatibleError, match="observation='state'"):
        QLearning(tiny_env("tokens"))
    with pytest.raises(InvalidSettingError, match="learning_rate"):
        make(learning_rate=0.0)
    for wrong in ({"discount": -1}, {"discount": 2}, {"replay": 1.5}, {"replay": -1}):
        with pytest.raises(InvalidSettingError, match=f"{next(iter(wrong))}="):
            make(**wrong)
    for schedule in ([], [0.5], "abc", [[2, 1]], [[0.5, 0]], [[0.5, 1], [0.5, -1]], [[0.1]]):
        with pytest.raises(InvalidSettingError, match=r"schedule must be pairs"):
            make(schedule=schedule)
    with pytest.raises(InvalidDataError, match="not a QLearning that was saved"):
        QLearning.load(tmp_path / "absent", tiny_env("state"))
