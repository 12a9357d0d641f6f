"""The contract of every environment id with every observation: checkers, determinism, info."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_checker import data_equivalence as equal
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from nas_env.architecture import Architecture
from nas_env.registration import TABLE, row_of
from nas_env.tasks import TaskWithoutData

Env = gym.Env[Any, Any]
MakeEnv = Callable[..., Env]


def play(env: Env, steps: int, seed: int = 0, legal: bool = False) -> Iterator[tuple[Any, ...]]:
    """Yield every result of a random rollout that begins anew after each episode."""
    observation, info = env.reset(seed=seed)
    env.action_space.seed(seed)
    yield observation, info
    for _ in range(steps):
        action = env.action_space.sample(info["action_mask"] if legal else None)
        observation, reward, terminated, truncated, info = env.step(action)
        yield observation, reward, terminated, truncated, info
        if terminated or truncated:
            observation, info = env.reset()
            yield observation, info


def run_both_checkers(env: Env) -> None:
    """Fail where a checker warns or raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
        sb3_check_env(env.unwrapped)


def with_space(space: str | None) -> dict[str, Any]:
    """Return the setting of a space; an id that has its own takes none."""
    return {} if space is None else {"space": space}


def test_both_checkers_pass_without_a_warning(
    make_env: MakeEnv, env_id: str, observation_name: str, small_space: str | None
) -> None:
    settings = {"observation": observation_name, **with_space(small_space)}
    run_both_checkers(make_env(env_id, render_mode="rgb_array", **settings))


def test_both_checkers_pass_on_large_spaces(
    make_env: MakeEnv, env_id: str, large_space: str
) -> None:
    settings = {"observation": "tokens", "space": large_space}  # the others differ by the table
    run_both_checkers(make_env(env_id, render_mode="rgb_array", **settings))


def test_two_environments_agree(
    make_env: MakeEnv, env_id: str, observation_name: str, any_space: str | None
) -> None:
    settings = {"observation": observation_name, **with_space(any_space)}
    envs = [make_env(env_id, **settings) for _ in range(2)]
    steps = max(50, 1 + envs[0].unwrapped.space.max_length)  # type: ignore[attr-defined]
    count = 0
    for a, b in zip(*(play(env, steps) for env in envs), strict=True):
        assert equal(a, b, exact=True)
        count += 1
    assert count > steps + 1, "no episode ended"


def test_observations_lie_in_their_space(
    make_env: MakeEnv, env_id: str, observation_name: str
) -> None:
    env = make_env(env_id, observation=observation_name)
    seen = [result[0] for result in play(env, 200)]
    assert all(env.observation_space.contains(x) for x in seen)
    assert len({np.asarray(x).tobytes() for x in seen}) > 8
    assert len({id(x) for x in seen if isinstance(x, np.ndarray)}) in (0, len(seen))  # fresh arrays


def test_a_trained_episode_repeats(make_env: MakeEnv, env_id: str) -> None:
    task: Any = make_env(env_id).unwrapped.task  # type: ignore[attr-defined]
    if task.spec.modality == "table":
        pytest.skip("the networks of this table cannot be built")
    data = {"task": "digits"} if isinstance(task, TaskWithoutData) else {}
    episodes = []
    for _ in range(2):
        env = make_env(env_id, evaluator="training", device="cpu", budget={"epochs": 1}, **data)
        results = []
        for result in play(env, 30, legal=True):
            results.append(result)
            if (trained := result[-1].get("evaluation")) and len(result) == 5:
                break
        assert 0.05 < trained["accuracy"] <= 1
        episodes.append(results)
    assert equal(episodes[0], episodes[1], exact=True)


@pytest.mark.parametrize("times", [None, 10])
def test_the_mask_is_legality(
    make_env: MakeEnv, construct_id: str, any_space: str | None, times: int | None
) -> None:
    space = with_space(any_space)
    env = make_env(construct_id, illegal="raise", **space)
    cheapest: Any = env.unwrapped.space.automaton().cheapest  # type: ignore[attr-defined]
    if times is not None and cheapest is not None:
        limit = times * int(cheapest[0])
        env = make_env(construct_id, illegal="raise", max_params=limit, **space)
    inner: Any = env.unwrapped
    for result in play(env, 60, legal=True):  # an illegal decision would raise
        mask = result[-1]["action_mask"]
        assert mask.dtype == np.int8
        assert np.array_equal(mask, inner.action_masks())
        assert inner.action_masks().dtype == np.bool_
        walk = inner.state.walk
        assert len(walk) < inner.space.max_length or not mask.any()
        for decision in range(inner.space.num_decisions):
            fault = inner.space.check((*walk, decision))
            assert bool(mask[decision]) is (fault is None or "not complete" in fault)


def test_a_mask_may_be_written_to(make_env: MakeEnv, env_id: str) -> None:
    env = make_env(env_id)
    _, info = env.reset(seed=0)
    expected = info["action_mask"].copy()
    info["action_mask"][:] = 0
    assert np.array_equal(env.reset(seed=0)[1]["action_mask"], expected)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for item in value.values():
            yield from leaves(item)
    else:
        yield value


def test_info_is_plain_and_says_nothing_of_the_clock(
    make_env: MakeEnv, env_id: str, observation_name: str
) -> None:
    finished = 0
    for result in play(make_env(env_id, observation=observation_name), 200):
        info = result[-1]
        for value in leaves(info):
            assert type(value) in (int, float, str, np.ndarray) or isinstance(value, np.generic)
        assert not [
            x
            for x in (*info, *info.get("evaluation", {}))
            if ("seconds" in x or "time" in x) and "simulated_seconds" not in x
        ]
        assert len(pickle.dumps(info)) < 5000
        if len(result) == 5:
            assert type(result[1]) is float
            assert type(result[2]) is type(result[3]) is bool
            assert {"action_mask", "decision", "illegal_action"} <= set(info)
            finished += result[2]
    assert finished > 3


def test_the_last_info_holds_evaluation_and_architecture(
    make_env: MakeEnv, construct_id: str
) -> None:
    env = make_env(construct_id)
    inner: Any = env.unwrapped
    for result in play(env, 60):
        info = result[-1]
        if len(result) == 5 and result[2]:
            evaluation = info["evaluation"]
            row = row_of(construct_id)
            known = {"reward", "report"} if row.family == TABLE else {"accuracy"}
            known |= {"loss"} if row.trains else set()
            assert {"outcome", "message", "score"} | known <= set(evaluation)
            assert evaluation["outcome"] == "ok"
            assert result[1] == evaluation["score"] == inner.state.score
            built = Architecture.from_json(json.loads(info["architecture"]))
            assert (
                built
                == inner.candidate.architecture
                == inner.space.decode(inner.state.walk).architecture
            )
        else:
            assert "evaluation" not in info
            assert "architecture" not in info
            assert len(result) == 2 or result[1] == 0.0


def test_an_environment_pickles_in_mid_episode(
    make_env: MakeEnv, env_id: str, observation_name: str
) -> None:
    env = make_env(env_id, observation=observation_name, illegal="project")
    env.reset(seed=3)
    for action in (3, 5):
        env.step(action)
    twin = pickle.loads(pickle.dumps(env))
    assert twin.unwrapped.state == env.unwrapped.state  # type: ignore[attr-defined]
    stop = env.action_space.n - 1  # type: ignore[attr-defined]
    for action in (7, 1, 2, *[stop] * max(9, env.unwrapped.space.max_length)):  # type: ignore[attr-defined]
        a, b = env.step(action), twin.step(action)
        assert equal(a, b, exact=True)
        if a[2]:
            break
    else:
        pytest.fail("the episode did not end")
    assert equal(env.reset(), twin.reset(), exact=True)


def test_a_state_may_be_kept_and_set_again(
    make_env: MakeEnv, env_id: str, observation_name: str
) -> None:
    env, other = (make_env(env_id, observation=observation_name).unwrapped for _ in range(2))
    env.reset(seed=0)
    env.step(2)
    kept = env.state  # type: ignore[attr-defined]
    first = [env.step(action) for action in (4, 15)]
    other.reset(seed=1)
    for target in (env, other):
        target.state = kept  # type: ignore[attr-defined]
        assert target.state == kept  # type: ignore[attr-defined]
        again = [target.step(action) for action in (4, 15)]
        assert equal(first, again, exact=True)
    assert isinstance(hash(kept), int)


def test_vectorised_by_gymnasium(make_env: MakeEnv, env_id: str, observation_name: str) -> None:
    settings = {**make_env(env_id).spec.kwargs, "observation": observation_name}  # type: ignore[union-attr]
    vector = gym.make_vec(env_id, num_envs=3, vectorization_mode="sync", **settings)
    observations, infos = vector.reset(seed=0)
    assert observations.shape[0] == 3
    assert infos["action_mask"].shape == (3, vector.single_action_space.n)  # type: ignore[attr-defined]
    rewards, ended = [], 0
    for _ in range(100):
        result = vector.step(vector.action_space.sample())
        rewards.append(result[1])
        ended += int(result[2].sum() + result[3].sum())
    assert ended > 3
    assert np.count_nonzero(rewards) >= ended
    vector.close()


def test_the_module_in_the_id_is_imported_by_gymnasium(make_env: MakeEnv, env_id: str) -> None:
    env = make_env(f"nas_env:{env_id}")
    assert env.reset(seed=0)[1]["action_mask"].any()
