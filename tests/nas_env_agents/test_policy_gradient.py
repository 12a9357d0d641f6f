"""Policies that learn from whole episodes, and the mistakes that people make with them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from nas_env.errors import InvalidSettingError
from nas_env_agents import AGENTS, make_agent
from nas_env_agents.common.episodic import Step
from nas_env_agents.common.policy_gradient import Adam, Baseline, Episode
from nas_env_agents.reinforce import Reinforce
from nas_env_agents.reinforce_lstm import ReinforceLSTM
from tests.support.tiny_space import tiny_env

NAMES = ("reinforce", "reinforce-lstm")
CLASSES = (Reinforce, ReinforceLSTM)


def sampled(agent, count: int) -> list[Episode]:
    """Return episodes that the agent sampled, without letting it learn."""
    found: list[Episode] = []
    size, agent.batch_size = agent.batch_size, count + 1
    while len(agent.batch) < count:
        agent.learn(1)
    found, agent.batch, agent.batch_size = agent.batch[:count], [], size
    return found


def log_probability(agent, episode: Episode) -> float:
    """Return the log-probability of an episode, one step after another."""
    total, state, before = 0.0, None, agent.num_actions
    for step, (mask, action) in enumerate(zip(episode.masks, episode.actions, strict=True)):
        if isinstance(agent, ReinforceLSTM):
            with torch.inference_mode():
                logits, state = agent.controller(torch.tensor([[before]]), state)
            logits = logits.numpy().ravel().astype(float)
        else:
            logits = agent.parameters.reshape(-1, agent.num_actions)[step]
        weights = np.where(mask, np.exp(logits), 0.0)
        total += np.log(weights[action] / weights.sum())
        before = int(action)
    return total


def moved(agent, change) -> None:
    agent.parameters += change
    if isinstance(agent, ReinforceLSTM):
        agent._load()


@pytest.mark.parametrize("cls", CLASSES)
def test_the_gradient_is_that_of_the_log_probability_of_the_actions_taken(cls):
    agent = cls(tiny_env("tokens"), seed=1)
    agent.parameters[:] *= 1 if cls is Reinforce else 5  # away from a flat policy
    moved(agent, 0)
    batch = [
        x._replace(advantage=value)
        for x, value in zip(sampled(agent, 3), (1.5, -0.5, 2.0), strict=True)
    ]
    assert len({len(x.actions) for x in batch}) > 1  # episodes of several lengths
    gradient = agent.gradient(batch)
    rng = np.random.default_rng(0)
    for _ in range(3):
        direction = rng.normal(size=gradient.size)
        direction /= np.linalg.norm(direction)
        direction += gradient / np.linalg.norm(gradient)
        size = 2e-2 if cls is ReinforceLSTM else 1e-4  # 32 bits there
        values = []
        for sign in (1, -2):
            moved(agent, (sign * size * direction).astype(gradient.dtype))
            values.append(np.mean([x.advantage * log_probability(agent, x) for x in batch]))
        moved(agent, (size * direction).astype(gradient.dtype))
        slope = (values[0] - values[1]) / (2 * size)
        assert slope == pytest.approx(float(gradient @ direction), rel=0.01)


def test_the_softmax_gradient_is_one_minus_chance_for_the_action_taken():
    agent = Reinforce(tiny_env("tokens"))
    agent.parameters[:] = 0.0
    mask = np.zeros(agent.num_actions, bool)
    mask[[0, 2, 3]] = True
    rows = agent.gradient([Episode(mask[None], np.array([2]), 3.0)]).reshape(-1, agent.num_actions)
    expected = np.zeros_like(rows)
    expected[0, [0, 2, 3]] = 3 * np.array([-1 / 3, 1 - 1 / 3, -1 / 3])
    assert np.allclose(rows, expected)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_entropy_bonus_raises_the_entropy(cls):
    def entropy(agent, episode):
        agent.env.reset(seed=0)
        logits = agent.logits(0)[episode.masks[0]]
        chances = np.exp(logits) / np.exp(logits).sum()
        return -(chances * np.log(chances)).sum()

    agent = cls(tiny_env("tokens"), entropy=1.0)
    moved(agent, np.random.default_rng(0).normal(0, 0.5, len(agent.parameters)))
    episode = sampled(agent, 1)[0]._replace(advantage=0.0)
    before = entropy(agent, episode)
    moved(agent, 0.1 * agent.gradient([episode]))
    assert entropy(agent, episode) > before
    agent.entropy = 0.0
    assert not agent.gradient([episode]).any()  # no advantage, nothing to learn


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_sampled_while_learning_and_greedy_only_when_asked(name):
    agent = make_agent(name, tiny_env("tokens"), seed=0)
    observation, info = agent.env.reset(seed=0)
    mask = info["action_mask"].astype(bool)
    agent.parameters[: agent.num_actions] = np.linspace(0, 2, agent.num_actions)
    moved(agent, 0)
    logits = agent.logits(0)[mask].astype(float)
    chances = np.exp(logits) / np.exp(logits).sum()
    counts = Counter(agent.act(observation, mask) for _ in range(3000))
    seen = [counts[action] for action in np.flatnonzero(mask)]
    assert chisquare(seen, 3000 * chances).pvalue > 0.01
    greedy = {int(agent.predict(observation, deterministic=True)[0]) for _ in range(20)}
    assert greedy == {int(np.flatnonzero(mask)[logits.argmax()])}


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_policy_gives_different_architectures(name):
    agent = make_agent(name, tiny_env("tokens"), seed=0)
    walks = {tuple(x.actions) for x in sampled(agent, 40)}
    assert len(walks) > 20


@pytest.mark.parametrize("name", NAMES)
def test_the_return_is_the_plain_sum_of_the_rewards(name):
    settings = {"reward_scale": 10.0, "batch_size": 9, "normalise": False}
    agent = make_agent(name, tiny_env("tokens"), seed=0, **settings)
    none = np.ones(agent.num_actions, bool)
    agent.begin_episode(none)
    agent.end_episode([Step(0, 0, 0.0, 0, none, False), Step(0, 0, 0.25, 0, none, True)])
    assert agent.baseline.mean == pytest.approx(2.5)  # 10 * 0.25, not discounted
    agent.end_episode([Step(0, 0, 0.5, 0, none, False), Step(0, 0, 0.25, 0, none, True)])
    assert agent.batch[-1].advantage == pytest.approx(10 * 0.75 - 2.5)


def test_rewards_may_be_cubed():
    agent = Reinforce(tiny_env("tokens"), reward_power=3, batch_size=9)
    none = np.ones(agent.num_actions, bool)
    agent.begin_episode(none)
    for reward, mean in ((0.5, 0.125), (-0.5, (0.9 * 0.125 - 0.125) / 1.9)):
        agent.end_episode([Step(0, 0, reward, 0, none, True)])
        assert agent.baseline.mean == pytest.approx(mean)


def test_the_baseline_knows_only_the_past():
    baseline = Baseline(0.9, normalise=False)
    assert baseline.advantage(5.0) == 0.0
    assert baseline.advantage(7.0) == 2.0  # against 5, not against an average that holds 7
    assert baseline.mean == pytest.approx((0.9 * 5 + 7) / 1.9)


def test_the_baseline_differs_from_the_authors_by_a_factor_that_no_return_changes():
    for last in (3.0, 30.0):
        baseline, numerator, weight, value = Baseline(0.9, normalise=False), 0.0, 0.0, 0.0
        for value in (1.0, 4.0, last):
            ours = baseline.advantage(value)
            numerator, weight = 0.9 * numerator + 0.1 * value, 0.9 * weight + 0.1
        theirs = value - numerator / weight
        assert theirs / ours == pytest.approx(0.9 * (1 + 0.9) / (1 + 0.9 + 0.81))


def test_normalised_advantages_do_not_depend_on_the_scale():
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    one, other = Baseline(0.9, True), Baseline(0.9, True)
    few = np.array([one.advantage(x) for x in values])
    many = np.array([other.advantage(1000 * x + 7) for x in values])
    assert np.allclose(few, many)
    assert 0.7 < few[50:].std() < 1.3
    assert [Baseline(0.9, True).advantage(x) for x in (2.0, 2.0)] == [0.0, 0.0]


def test_adam_is_torchs():
    parameter = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser, ours, at = torch.optim.Adam([parameter], lr=0.03), Adam(4, 0.03), np.zeros(4)
    for gradient in np.random.default_rng(0).normal(size=(20, 4)):
        parameter.grad = torch.from_numpy(-gradient)  # torch descends
        optimiser.step()
        at += ours.step(gradient)
    assert np.allclose(at, parameter.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_one_update_to_a_batch(name):
    agent = make_agent(name, tiny_env("tokens"), seed=0, batch_size=4)
    sizes = []
    gradient = agent.gradient
    agent.gradient = lambda batch: (sizes.append(len(batch)), gradient(batch))[1]
    before = agent.parameters.copy()
    for episode in range(1, 13):
        agent.learn(1)
        assert len(sizes) == episode // 4
        assert (agent.parameters == before).all() == (episode < 4)
    assert sizes == [4, 4, 4]


def test_the_recurrent_state_is_fresh_in_each_episode():
    agent = make_agent("reinforce-lstm", tiny_env("tokens"), seed=0, batch_size=1000)
    agent.env.reset(seed=0)
    first = agent.logits(0).copy()
    agent.learn(30)
    agent.env.reset()
    assert np.array_equal(agent.logits(0), first)


def test_the_recurrent_policy_depends_on_the_decisions_before():
    agent = make_agent("reinforce-lstm", tiny_env("tokens"), seed=0)
    logits = []
    for action in (0, 1):
        agent.env.reset(seed=0)
        agent.env.step(action)
        logits.append(agent.logits(1).copy())
        again = make_agent("reinforce-lstm", agent.env, seed=0)
        assert np.allclose(again.logits(1), logits[-1])  # whoever begins in the middle agrees
    assert not np.allclose(*logits)


def test_the_start_of_the_papers():
    logits = Reinforce(tiny_env("tokens"), seed=5).parameters
    assert 5e-4 < logits.std() < 2e-3
    weights = ReinforceLSTM(tiny_env("tokens"), seed=5).parameters
    assert 0.079 < np.abs(weights).max() <= 0.08
    assert abs(weights.mean()) < 0.003


@pytest.mark.parametrize("name", NAMES)
def test_they_go_on_where_they_were_saved(name, tmp_path):
    settings = {"batch_size": 5, "normalise": True, "entropy": 0.01}
    agent = make_agent(name, tiny_env("tokens"), seed=0, **settings)
    agent.learn(100)
    while not agent.batch:
        agent.learn(1)
    agent.save(tmp_path / "agent")
    again = AGENTS.get(name).load(tmp_path / "agent", tiny_env("tokens"))
    assert again.settings() == agent.settings()
    one, other = ([tuple(x.actions) for x in sampled(each, 20)] for each in (agent, again))
    assert one == other
    agent.learn(60)
    again.learn(60)
    assert np.allclose(agent.parameters, again.parameters)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("learning_rate", 0.0),
        ("momentum", 1.0),
        ("batch_size", 0),
        ("batch_size", 1.5),  # no batch would ever be full
        ("entropy", -0.1),
        ("reward_power", 0.0),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_settings_out_of_range_are_refused(name, setting, value):
    with pytest.raises(InvalidSettingError, match=f"{setting} must be"):
        make_agent(name, tiny_env("tokens"), **{setting: value})
