"""The mask in exploration, in the greedy choice and in the target of `masked-dqn`."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env_agents import make_agent
from nas_env_agents.masked_dqn import MaskedReplayBuffer, best_legal
from tests.support.tiny_space import tiny_env


def make(**settings):
    env = tiny_env("tokens")
    return make_agent("masked-dqn", env, seed=0, **settings), env.unwrapped


def set_values(network, values) -> None:
    """Make a network answer these values for every observation."""
    with torch.no_grad():
        network.q_net[-1].weight.zero_()
        network.q_net[-1].bias.copy_(torch.tensor(values))


@pytest.mark.parametrize("learning_starts", [0, 10_000])
def test_exploration_takes_legal_actions_only(learning_starts):
    agent, env = make(learning_starts=learning_starts, exploration_final_eps=1.0)
    agent.exploration_rate = 1.0
    legal, taken = [], []
    step = env.step

    def watched(action):
        legal.append(bool(env.action_masks()[action]))
        taken.append(int(action))
        return step(action)

    env.step = watched
    agent.learn(400)
    assert all(legal)
    assert len(set(taken)) == env.action_space.n


def test_the_greedy_choice_is_the_best_legal_action():
    agent, env = make()
    actions = int(env.action_space.n)
    set_values(agent.q_net, np.arange(actions, dtype=np.float32))
    observation, _ = env.reset(seed=0)
    mask = np.zeros(actions, dtype=bool)
    mask[[1, 3]] = True
    assert agent.predict(observation, deterministic=True, action_masks=mask)[0] == 3
    assert agent.predict(observation, deterministic=True)[0] == actions - 1  # none given
    many = np.stack([observation] * 2), np.stack([mask, ~mask])
    best = agent.predict(many[0], deterministic=True, action_masks=many[1])[0]
    assert best.tolist() == [3, actions - 1]
    agent.exploration_rate = 1.0
    drawn = {int(agent.predict(observation, action_masks=mask)[0]) for _ in range(50)}
    assert drawn == {1, 3}


def test_the_target_ignores_illegal_next_actions():
    agent, env = make(gamma=0.5)
    actions = int(env.action_space.n)
    set_values(agent.q_net_target, [9.0, 2.0, 4.0] + [0.0] * (actions - 3))
    agent.learn(60)
    batch = agent.replay_buffer.sample(3)
    masks = torch.zeros(3, actions, dtype=torch.bool)
    masks[0, 1:3] = masks[1, 1] = True  # the third ended: nothing is legal
    batch = batch._replace(
        next_masks=masks,
        rewards=torch.tensor([[1.0], [0.0], [0.7]]),
        dones=torch.tensor([[0.0], [0.0], [1.0]]),
    )
    set_values(agent.q_net_target, [9.0, 2.0, 4.0] + [0.0] * (actions - 3))
    assert agent.targets(batch).ravel().tolist() == pytest.approx([1 + 0.5 * 4, 0.5 * 2, 0.7])


def test_training_moves_values_to_the_masked_target():
    """The action that looks best next is illegal everywhere, so 0.25 is what can be had."""
    agent, env = make(gamma=1.0, gradient_steps=1, learning_rate=0.01, target_update_interval=10**6)
    actions = int(env.action_space.n)
    agent.learn(51)
    buffer = agent.replay_buffer
    set_values(agent.q_net_target, [50.0] + [0.25] * (actions - 1))
    buffer.next_masks[:] = True
    buffer.next_masks[..., 0] = False
    buffer.rewards[:], buffer.dones[:], buffer.timeouts[:] = 0.0, 0.0, 0.0
    agent.train(300, batch_size=32)
    inputs = agent.policy.obs_to_tensor(buffer.observations[: buffer.pos, 0])[0]
    taken = torch.from_numpy(buffer.actions[: buffer.pos, 0])
    values = agent.q_net(inputs).gather(1, taken)
    assert values.detach().numpy() == pytest.approx(0.25, abs=0.05)


def test_the_buffer_keeps_the_mask_of_the_same_state_as_the_next_observation():
    agent, env = make()
    agent.learn(200)
    buffer, space = agent.replay_buffer, env.space
    assert isinstance(buffer, MaskedReplayBuffer)
    for index in range(buffer.pos):
        walk = [x - 1 for x in buffer.next_observations[index, 0] if x]
        state = space.start()
        for decision in walk:
            state = space.follow(state, decision)
        choice = space.choice(state)
        legal = list(choice.legal) if choice else []
        assert np.flatnonzero(buffer.next_masks[index, 0]).tolist() == legal
        assert bool(buffer.dones[index, 0]) == (choice is None)


def test_several_environments_share_a_buffer():
    env = DummyVecEnv([lambda: tiny_env("tokens") for _ in range(3)])
    agent = type(make()[0])("MlpPolicy", env, seed=0, learning_starts=30, buffer_size=300)
    agent.learn(150)
    batch = agent.replay_buffer.sample(64)
    assert batch.next_masks.shape == (64, env.action_space.n)
    assert batch.next_masks.dtype == torch.bool
    ended = batch.dones.ravel().bool()
    assert ended.any()
    assert torch.equal(batch.next_masks.any(1), ~ended)  # row by row of the same transition


def test_best_legal():
    values = torch.tensor([[3.0, 1.0, -2.0], [3.0, -1.0, -2.0], [5.0, 6.0, 7.0]])
    masks = torch.tensor([[True, True, True], [False, True, True], [False, False, False]])
    assert best_legal(values, masks).tolist() == [0, 1, 0]


def test_a_time_out_is_no_end_and_keeps_its_mask():
    """The value of a state in which only time ran out is that of its best legal action."""
    settings = {"evaluator": "synthetic", "illegal": "stay"}
    env = DummyVecEnv([lambda: gym.make("NAS-v0", **settings)] * 2)
    actions = int(env.action_space.n)
    buffer = MaskedReplayBuffer(
        400, env.observation_space, env.action_space, device="cpu", n_envs=2
    )
    observations, last = env.reset(), {}
    rng = np.random.default_rng(0)
    for at in range(200):
        taken = rng.integers(actions, size=2)
        following, rewards, dones, infos = env.step(taken)
        real = following.copy()
        for lane in np.flatnonzero(dones):
            real[lane] = infos[lane]["terminal_observation"]
            last[at, int(lane)] = infos[lane]
        buffer.add(observations, real, taken, rewards, dones, infos)
        observations = following
    late = [key for key, info in last.items() if info["TimeLimit.truncated"]]
    assert 0 < len(late) < len(last)
    for (at, lane), info in last.items():
        assert np.array_equal(buffer.next_masks[at, lane], info["action_mask"].astype(bool))
        assert buffer.next_masks[at, lane].any() == info["TimeLimit.truncated"]
    np.random.seed(0)
    batch = buffer.sample(300)
    ended = batch.dones.ravel().bool()
    assert ended.any()
    assert torch.equal(batch.next_masks.any(1), ~ended)


def test_what_it_cannot_use_is_refused():
    with pytest.raises(InvalidSettingError, match="optimize_memory_usage must be False"):
        make(optimize_memory_usage=True)
    with pytest.raises(IncompatibleError, match=r"needs an environment with action_masks\(\)"):
        make_agent("masked-dqn", gym.make("CartPole-v1"))
