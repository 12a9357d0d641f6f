"""What `NASVectorEnv` is given: which arguments, seeds and actions it takes and refuses."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from nas_env.env import NASEnv
from nas_env.errors import IllegalDecisionError, InvalidSettingError, UnknownNameError
from nas_env.vector import AUTORESET_MODES, NASVectorEnv
from tests.conftest import free_settings

LANES = 4


def test_gymnasium_makes_it_without_a_warning(
    env_id: str, recwarn: pytest.WarningsRecorder
) -> None:
    env = gym.make_vec(env_id, num_envs=3, **free_settings(env_id))
    assert env.num_envs == 3
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    assert env.action_space.contains(env.action_space.sample())
    assert not [str(x.message) for x in recwarn if "gymnasium" in str(x.filename).lower()]


@pytest.mark.parametrize("mode", [*AUTORESET_MODES, *(x.value for x in AUTORESET_MODES)])
def test_the_autoreset_mode_is_told(mode: Any) -> None:
    before = dict(NASEnv.metadata)
    env: Any = NASVectorEnv(2, mode, evaluator="synthetic")
    assert before == NASEnv.metadata
    assert env.autoreset_mode is env.metadata["autoreset_mode"] is AutoresetMode(mode)


def test_an_illegal_action_that_raises_steps_no_lane(env_id: str) -> None:
    env: Any = gym.make_vec(env_id, num_envs=LANES, **free_settings(env_id), illegal="raise")
    _, infos = env.reset(seed=0)
    mask = infos["action_mask"]
    actions = mask.argmax(axis=1)
    actions[2] = mask[2].argmin() if not mask[2].all() else mask.shape[1]
    before = [env.state(lane) for lane in range(LANES)]
    with pytest.raises(IllegalDecisionError, match="is not legal"):
        env.step(actions)
    assert [env.state(lane) for lane in range(LANES)] == before


def test_integers_of_numpy_are_integers() -> None:
    env = NASVectorEnv(np.int64(2), evaluator="synthetic")  # type: ignore[arg-type]
    for given, seeds in (
        (np.int64(3), (3, 4)),
        (np.array([5, 9]), (5, 9)),
        ([1, np.int8(2)], (1, 2)),
    ):
        env.reset(seed=given)  # type: ignore[arg-type]
        assert env.np_random_seed == seeds
    assert len(env.step(np.array([0, 1], dtype=np.uint8))[0]) == env.num_envs == 2


def test_misuse_is_refused() -> None:
    for wrong in (0, -3, "2", 2.0, None, True):
        with pytest.raises(InvalidSettingError, match=f"integer >= 1, got {wrong!r}"):
            NASVectorEnv(wrong, evaluator="synthetic")  # type: ignore[arg-type]
    for mode in ("SameSteps", "Disabled", AutoresetMode.DISABLED):
        with pytest.raises(UnknownNameError, match=r"autoreset mode .*Known: NextStep, SameStep"):
            NASVectorEnv(2, mode, evaluator="synthetic")
    env = NASVectorEnv(2, evaluator="synthetic")
    for call in (lambda: env.step([0, 0]), env.action_masks):
        with pytest.raises(gym.error.ResetNeeded):
            call()
    for seed in ([1, 2, 3], np.arange(3), 2.0, {1: 2, 3: 4}):
        with pytest.raises(InvalidSettingError, match="does not fit 2 lanes"):
            env.reset(seed=seed)  # type: ignore[arg-type]
    for refused in (-1, np.int64(-1), [0, -1], "12"):
        with pytest.raises(gym.error.Error, match="Seed must be"):
            env.reset(seed=refused)  # type: ignore[arg-type]
    env.reset(seed=0)
    with pytest.raises(InvalidSettingError, match=r"shape \(3,\) .* do not fit 2 lanes"):
        env.step([0, 1, 2])
    for actions in ([0.5, 1.0], [np.nan, 0], ["0", "1"], [None, 0], [10**30, 0], [True, False]):
        with pytest.raises(InvalidSettingError, match="Pass one integer per lane"):
            env.step(actions)
    with pytest.raises(UnknownNameError, match="Did you mean 'observation'"):
        NASVectorEnv(2, observations="tokens")
