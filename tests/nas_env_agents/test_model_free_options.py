"""Options that give model-free agents their best chance: ranks, elites, positions, returns."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import AGENTS, make_agent
from nas_env_agents.common.deferred import why_not
from nas_env_agents.common.episodic import Step
from nas_env_agents.common.policy_gradient import Episode, Ranks
from tests.support.tiny_space import tiny_env

POLICIES = ("ppo", "maskable-ppo")


# ---- ranks as advantage ----


def test_the_advantage_is_the_rank_among_the_latest_different_episodes():
    ranks = Ranks(window=3)
    assert ranks.advantage(5.0, (0,)) == 0.0, "there is nothing to compare with"
    assert ranks.advantage(7.0, (1,)) == 1.0
    assert ranks.advantage(5.0, (2,)) == pytest.approx(-0.5), "below one, level with one"
    assert ranks.advantage(6.0, (1,)) == pytest.approx(1 / 3), "itself counts, as it was: 7"
    assert ranks.returns == {(0,): 5.0, (2,): 5.0, (1,): 6.0}
    ranks.advantage(9.0, (3,))
    assert list(ranks.returns) == [(2,), (1,), (3,)], "the oldest is forgotten"


def test_reinforce_with_ranks_does_not_see_the_scale(tmp_path):
    walks = []
    for scale in (1.0, 1000.0):
        env = tiny_env("tokens")
        agent = make_agent("reinforce", env, seed=0, rank_window=50, reward_scale=scale)
        agent.learn(200)
        walks.append(list(agent.ranks.returns))
        agent.save(tmp_path / "agent")
        loaded = AGENTS.get("reinforce").load(tmp_path / "agent", env)
        assert loaded.rank_window == 50 and loaded.ranks.returns == agent.ranks.returns
    assert walks[0] == walks[1]
    with pytest.raises(InvalidSettingError, match="rank_window must be an integer >= 0"):
        make_agent("reinforce", tiny_env("tokens"), rank_window=-1)


def test_a_plain_step_is_the_gradient_times_the_learning_rate():
    agent = make_agent("reinforce", tiny_env("tokens"), seed=0, adam=False, learning_rate=0.2)
    agent.batch = [Episode(np.ones((2, agent.num_actions), bool), np.array([0, 1]), 0.5)]
    before, gradient = agent.parameters.copy(), agent.gradient(agent.batch)
    agent.update()
    assert np.abs(gradient).max() > 0.1
    assert np.allclose(agent.parameters - before, 0.2 * gradient, rtol=0, atol=1e-12)
    assert agent.batch == [] and agent.settings()["adam"] is False


# ---- elites ----


@pytest.mark.parametrize("name", POLICIES)
def test_each_rollout_begins_with_the_best_episodes_so_far(name):
    env = TrackSearch(gym.make("NASBenchMacro-v0"), Limits(evaluations=1000))
    agent = make_agent(name, env, seed=0, elites=3, n_steps=64)  # eight episodes
    agent.learn(256)
    walks = [trial.walk for trial in env.trials]
    scores = {trial.walk: trial.score for trial in env.trials}
    assert len(walks) == 32
    for start in (8, 16, 24):
        best = sorted(dict.fromkeys(walks[:start]), key=lambda walk: -scores[walk])[:3]
        assert walks[start : start + 3] == best
    assert agent.archive.scores == scores


@pytest.mark.parametrize("name", POLICIES)
def test_elites_enter_the_rollout_with_their_likelihood_under_the_policy(name):
    agent = make_agent(name, gym.make("NASBenchMacro-v0"), seed=0, elites=8, n_steps=64)
    agent.learn(64)
    seen = []

    def collected(*arguments, **named):
        done = type(agent).collect_rollouts(agent, *arguments, **named)
        buffer = agent.rollout_buffer
        for step in range(64):
            observation = agent.policy.obs_to_tensor(buffer.observations[step])[0]
            action = agent.policy.obs_to_tensor(buffer.observations[step])[0].new_tensor(
                buffer.actions[step]
            )
            extra = {"action_masks": buffer.action_masks[step]} if name == "maskable-ppo" else {}
            _, likelihood, _ = agent.policy.evaluate_actions(observation, action.flatten(), **extra)
            seen.append((float(likelihood.detach()), float(buffer.log_probs[step, 0])))
        return done

    agent.collect_rollouts = collected
    agent.learn(64, reset_num_timesteps=False)
    recomputed, kept = np.array(seen).T
    np.testing.assert_allclose(recomputed, kept, atol=1e-5)
    assert "forward" not in vars(agent.policy)


@pytest.mark.parametrize("name", POLICIES)
def test_elites_are_saved_and_not_for_lanes_or_deferred_scores(name, tmp_path):
    env = gym.make("NASBenchMacro-v0")
    agent = make_agent(name, env, seed=0, elites=2, n_steps=64)
    agent.learn(64)
    agent.save(tmp_path / "agent")
    loaded = AGENTS.get(name).load(tmp_path / "agent", env=env)
    assert loaded.elites == 2 and loaded.archive == agent.archive
    assert "elites" in str(why_not(agent))
    lanes = DummyVecEnv([lambda: gym.make("NASBenchMacro-v0")] * 2)
    with pytest.raises(IncompatibleError, match="there are 2 lanes"):
        make_agent(name, lanes, elites=2)
    with pytest.raises(InvalidSettingError, match="elites must be an integer"):
        make_agent(name, env, elites=-1)


@pytest.mark.parametrize("name", POLICIES)
def test_elites_that_the_policy_has_given_up_do_not_break_it(name):
    def learned(**settings):
        env = gym.make("NASBenchMacro-v0")
        agent = make_agent(name, env, seed=0, elites=1, n_steps=64, **settings)
        agent.archive.scores = {(1,) * 8: 0.0}
        with torch.no_grad():
            agent.policy.action_net.bias[1] = -150.0
        agent.lr_schedule = lambda _: 20.0
        agent.learn(192)
        return agent

    assert all(bool(torch.isfinite(x).all()) for x in learned().policy.parameters())
    with pytest.raises(ValueError, match="nan"):
        learned(target_kl=None)


# ---- the table of values ----


def test_rows_are_positions_where_told_so():
    agent = make_agent("q-learning", tiny_env("state"), seed=0, positions=True)
    space = agent.env.unwrapped.space
    assert len(agent.q) == space.max_length + 1
    env = gym.make("NASBench201-v0", observation="state")
    agent = make_agent("q-learning", env, positions=True, monte_carlo=True)
    env.reset(seed=0)
    for position in range(6):
        observation = env.step(2)[0]
        assert agent.row(observation) == position + 1


def test_monte_carlo_moves_towards_the_rewards_that_came():
    env = gym.make("NASBench201-v0", observation="state")
    agent = make_agent(
        "q-learning", env, monte_carlo=True, positions=True, learning_rate=0.5, discount=0.9
    )
    agent.q[:] = 0.0
    mask = np.ones(5, dtype=bool)
    observation = env.reset(seed=0)[0]
    steps = []
    for number in range(6):
        after = env.step(number % 5)[0]
        reward = 1.0 if number == 5 else 0.0
        steps.append(Step(int(observation), number % 5, reward, int(after), mask, number == 5))
        observation = after
    agent.update(steps)
    expected = [0.5 * 0.9 ** (5 - position) for position in range(6)]
    found = [agent.q[position, position % 5] for position in range(6)]
    np.testing.assert_allclose(found, expected)


def test_ranks_take_the_place_of_the_reward():
    agent = make_agent("q-learning", tiny_env("state"), seed=0, ranks=True, replay=0)
    agent.learn(200)
    returns = agent._returns
    assert returns == sorted(returns) and len(returns) == len(agent._different)
    assert agent._rank(returns[-1] + 1) == 1.0 and agent._rank(returns[0] - 1) == 0.0
    assert agent._rank(returns[0]) == pytest.approx(0.5 / len(returns), abs=0.02)
    assert agent.q.min() >= 0 and agent.q.max() <= 1


def test_shaped_rewards_are_the_return_in_equal_parts():
    env = gym.make("NASBench201-v0", observation="state")
    agent = make_agent("q-learning", env, shaped=True, learning_rate=0.5, replay=0)
    agent.q[:] = 0.0
    rewards = agent._rewards([0.9, 0.0, 0.0])
    assert rewards == pytest.approx([0.3] * 3) and sum(rewards) == pytest.approx(0.9)
    agent.learn(6)
    part, value, expected = agent.memory[0][-1].reward / 6, 0.0, []
    for _ in range(6):
        value = 0.5 * (part + value)
        expected.append(value)
    assert sorted(agent.q[agent.q != 0]) == pytest.approx(expected), "every step has its part"
    ranked = make_agent("q-learning", env, shaped=True, ranks=True, replay=0)
    ranked.learn(12)
    assert sum(ranked._rewards([max(ranked._returns)] + [0.0] * 5)) == pytest.approx(0.75)
    with pytest.raises(InvalidSettingError, match=r"shaped=True\. Change one of them"):
        make_agent("q-learning", env, shaped=True, online=True)


def test_q_learning_with_all_options_goes_on_from_a_file(tmp_path):
    settings = {"positions": True, "monte_carlo": True, "ranks": True, "schedule": [[0.3, 1]]}
    env = tiny_env("state")
    agent = make_agent("q-learning", env, seed=0, initial_value="optimistic", **settings)
    agent.learn(120)
    agent.save(tmp_path / "agent")
    loaded = AGENTS.get("q-learning").load(tmp_path / "agent", env)
    assert loaded._returns == agent._returns
    for each in (agent, loaded):
        each.learn(80)
    np.testing.assert_array_equal(agent.q, loaded.q)
    with pytest.raises(InvalidSettingError, match="bins=True, positions=True"):
        make_agent("q-learning", env, bins=True, positions=True)
    with pytest.raises(InvalidSettingError, match="online=True, monte_carlo=True"):
        make_agent("q-learning", env, online=True, monte_carlo=True)
