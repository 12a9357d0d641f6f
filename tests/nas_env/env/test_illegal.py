"""What an illegal action does, in each of the four modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.errors import IllegalDecisionError, UnknownNameError

MakeEnv = Callable[..., gym.Env[Any, Any]]
POOL, LINEAR, STOP = 8, 10, 14  # illegal as the first decision of "chain" on 8x8 images


def legal_of(info: dict[str, Any]) -> list[int]:
    return [int(x) for x in np.flatnonzero(info["action_mask"])]


def test_the_numbers_above_are_illegal_first(make_env: MakeEnv) -> None:
    _, info = make_env().reset(seed=0)
    assert legal_of(info) == list(range(8))
    assert make_env().action_space.n == STOP + 1  # type: ignore[attr-defined]


def test_projection_takes_the_decision_of_the_formula(make_env: MakeEnv) -> None:
    env = make_env()
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    illegal = 0
    for _ in range(300):
        action, legal = int(env.action_space.sample()), legal_of(info)
        _, _, over, truncated, info = env.step(action)
        fits = action in legal
        assert bool(info["illegal_action"]) is not fits
        assert info["decision"] == (action if fits else legal[action % len(legal)])
        assert not truncated
        illegal += not fits
        if over:
            _, info = env.reset()
    assert illegal > 30


@pytest.mark.parametrize("action", [-1, 15, 1000])
def test_projection_takes_numbers_outside_the_space_too(make_env: MakeEnv, action: int) -> None:
    env = make_env().unwrapped
    _, info = env.reset(seed=0)
    expected = legal_of(info)[action % 8]
    _, _, _, _, info = env.step(action)
    assert info["decision"] == expected
    assert bool(info["illegal_action"])


def test_terminate_ends_the_episode_with_the_failure_score(make_env: MakeEnv) -> None:
    for objective, failure in (("accuracy", 0.0), ("negative-loss", -10.0)):
        env = make_env(illegal="terminate", objective=objective)
        env.reset(seed=0)
        env.step(0)
        _, reward, terminated, truncated, info = env.step(LINEAR)  # the map is still 8x8
        assert (reward, terminated, truncated) == (failure, True, False)
        assert bool(info["illegal_action"])
        assert info["decision"] == -1
        assert "evaluation" not in info
        with pytest.raises(gym.error.ResetNeeded):
            env.step(0)


def test_an_episode_that_was_ended_stays_over_when_its_state_is_set(make_env: MakeEnv) -> None:
    env: Any = make_env(illegal="terminate").unwrapped
    env.reset(seed=0)
    env.step(STOP)
    env.state = env.state
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)


def test_stay_does_nothing_for_a_small_penalty(make_env: MakeEnv) -> None:
    env: Any = make_env(illegal="stay")
    observation, before = env.reset(seed=0)
    after, reward, terminated, truncated, info = env.step(POOL)
    assert (reward, terminated, truncated) == (-0.01, False, False)
    assert np.array_equal(observation, after)
    assert np.array_equal(before["action_mask"], info["action_mask"])
    assert info["decision"] == -1
    assert env.unwrapped.state.walk == ()
    assert env.unwrapped.state.steps == 1


def test_stay_is_truncated_after_three_longest_walks(make_env: MakeEnv) -> None:
    env: Any = make_env(illegal="stay").unwrapped
    longest = env.space.max_length
    for first in (POOL, 0):  # without and with a decision on the way
        env.reset(seed=0)
        results = [env.step(first)]
        while not results[-1][3]:
            results.append(env.step(99))
            assert not results[-1][2]
        assert len(results) == 3 * longest
        assert sum(result[1] for result in results[1:]) == pytest.approx(-0.01 * (3 * longest - 1))
        env.state = env.state  # setting the state of a cut episode does not open it again
        with pytest.raises(gym.error.ResetNeeded):
            env.step(0)


def test_a_legal_walk_is_never_truncated_by_stay(make_env: MakeEnv) -> None:
    env: Any = make_env(illegal="stay")
    env.reset(seed=0)
    for _ in range(3 * env.unwrapped.space.max_length - 2):
        env.step(POOL)
    _, _, terminated, truncated, _ = env.step(0)
    assert (terminated, truncated) == (False, False)
    _, reward, terminated, truncated, _ = env.step(STOP)  # the last step that is allowed
    assert (terminated, truncated) == (True, False)
    assert reward > 0


def test_raise_names_the_legal_decisions_and_changes_nothing(make_env: MakeEnv) -> None:
    env: Any = make_env(illegal="raise")
    env.reset(seed=0)
    with pytest.raises(
        IllegalDecisionError, match=r"Action 8 .*Legal actions: 0, 1, 2, 3, 4, 5, 6, 7;"
    ):
        env.step(POOL)
    assert env.unwrapped.state.walk == ()
    assert env.step(0)[4]["decision"] == 0


def test_an_unknown_mode_is_refused(make_env: MakeEnv) -> None:
    with pytest.raises(UnknownNameError, match=r"'projekt'.*Did you mean 'project'"):
        make_env(illegal="projekt")
