"""Reward wrappers: what a finished network is worth changes, its score does not."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import InvalidSettingError
from nas_env.reward_wrappers import ImprovementReward, NormalizedReward, RankReward
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import make_agent
from nas_env_agents.common.deferred import why_not

WRAPPERS = (ImprovementReward, NormalizedReward, RankReward)


def play(env: gym.Env[Any, Any], walks: list[tuple[int, ...]]) -> tuple[list[float], list[float]]:
    """Return the last rewards and the scores of some walks."""
    rewards, scores = [], []
    env.reset(seed=0)
    for walk in walks:
        for decision in walk:
            _, reward, terminated, _, info = env.step(decision)
            assert terminated or reward == 0.0, "nothing was evaluated"
        rewards.append(float(reward))
        scores.append(info["evaluation"]["score"])
        env.reset()
    return rewards, scores


def some_walks(count: int, seed: int = 0) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    return [tuple(int(x) for x in rng.integers(0, 3, 8)) for _ in range(count)]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_environment_is_one_and_keeps_its_scores(wrapper: Any) -> None:
    env = wrapper(gym.make("NASBenchMacro-v0"))
    rewards, scores = play(env, some_walks(20))
    assert scores == play(gym.make("NASBenchMacro-v0"), some_walks(20))[0]
    assert rewards != scores
    assert rewards[0] == 0.0
    assert env.action_masks().all()


def test_improvements_are_over_the_incumbent_and_sum_to_what_was_gained() -> None:
    clipped, scores = play(ImprovementReward(gym.make("NASBenchMacro-v0")), some_walks(30))
    assert min(clipped) == 0.0
    assert sum(clipped) == pytest.approx(max(scores) - scores[0])
    plain, _ = play(ImprovementReward(gym.make("NASBenchMacro-v0"), clip=False), some_walks(30))
    before = np.maximum.accumulate(scores)[:-1]
    assert plain[1:] == pytest.approx(np.array(scores)[1:] - before)


def test_normalised_rewards_are_standard_scores_of_those_so_far() -> None:
    rewards, scores = play(NormalizedReward(gym.make("NASBenchMacro-v0")), some_walks(30))
    expected = [
        (x - np.mean(scores[: i + 1])) / np.std(scores[: i + 1]) if i else 0.0
        for i, x in enumerate(scores)
    ]
    assert rewards == pytest.approx(expected)
    same = [(0,) * 8] * 3
    assert play(NormalizedReward(gym.make("NASBenchMacro-v0")), same)[0] == [0.0] * 3


def test_ranks_are_among_the_latest_different_networks() -> None:
    walks = some_walks(12)
    rewards, scores = play(RankReward(gym.make("NASBenchMacro-v0"), window=5), walks)
    for i in range(1, 12):
        others = scores[max(0, i - 5) : i]
        assert rewards[i] == pytest.approx(np.mean(np.sign(scores[i] - np.array(others))))
    best = walks[int(np.argmax(scores))]
    again, _ = play(RankReward(gym.make("NASBenchMacro-v0")), [*walks, best, best])
    assert again[-2:] == [1.0, 1.0], "it is not compared with itself"
    with pytest.raises(InvalidSettingError, match="window must be an integer >= 1, got 0"):
        RankReward(gym.make("NASBenchMacro-v0"), window=0)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_agents_learn_from_them_and_deferring_is_refused(wrapper: Any) -> None:
    tracker = TrackSearch(wrapper(gym.make("NASBenchMacro-v0")), Limits(evaluations=20))
    agent = make_agent("ppo", tracker, seed=0)
    agent.learn(64)
    assert len(tracker.trials) == 8
    assert all(0.5 < trial.score < 1.0 for trial in tracker.trials), "the books keep the scores"
    assert wrapper.__name__ in str(why_not(agent))
