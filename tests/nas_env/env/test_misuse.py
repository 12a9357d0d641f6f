"""What a caller does wrong is refused at once, with the names that would do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.env import NASEnv
from nas_env.errors import (
    IncompatibleError,
    InvalidDataError,
    InvalidSettingError,
    StoreError,
    UnknownNameError,
)
from nas_env.spaces import SearchSpace

MakeEnv = Callable[..., gym.Env[Any, Any]]


@pytest.mark.parametrize(
    ("argument", "wrong", "near"),
    [
        ("space", "chian", "chain"),
        ("task", "digit", "digits"),
        ("evaluator", "synthetik", "synthetic"),
        ("objective", "acuracy", "accuracy"),
        ("mdp", "construkt", "construct"),
        ("observation", "token", "tokens"),
        ("illegal", "rais", "raise"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(
    make_env: MakeEnv, argument: str, wrong: str, near: str
) -> None:
    with pytest.raises(
        UnknownNameError, match=f"Unknown .* '{wrong}'. Did you mean '{near}'.*Known"
    ):
        make_env(**{argument: wrong})


def test_a_wrong_render_mode_or_budget_setting_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"render mode 'ansy'. Did you mean 'ansi'"):
        NASEnv(evaluator="synthetic", render_mode="ansy")
    with pytest.raises(UnknownNameError, match=r"budget setting 'epoch'. Did you mean 'epochs'"):
        NASEnv(evaluator="synthetic", budget={"epoch": 3})
    with pytest.raises(InvalidSettingError, match="epochs must be"):
        NASEnv(evaluator="synthetic", budget={"epochs": 0})


def test_a_space_that_does_not_fit_the_task_is_refused(
    make_env: MakeEnv, make_space: Callable[..., SearchSpace]
) -> None:
    image_spaces = r"'mlp'.*vector.*'digits'.*'image'.*fit: (.+, )?chain[,.]"
    with pytest.raises(IncompatibleError, match=image_spaces):
        make_env(space="mlp", task="digits")
    with pytest.raises(IncompatibleError, match=r"'chain'.*'wine'.*fit: (.+, )?mlp[,.]") as caught:
        make_env(space="chain", task="wine")
    assert "chain" not in str(caught.value).split("fit: ")[1].rstrip(".").split(", ")
    with pytest.raises(IncompatibleError, match=r"'mlp'.*'digits'"):
        make_env(space=make_space("mlp"), task="digits")


def test_a_space_made_for_other_shapes_is_refused(
    make_env: MakeEnv, make_space: Callable[..., SearchSpace]
) -> None:
    for space in (make_space("chain", (3, 8, 8)), make_space("chain", (1, 8, 8), 7)):
        with pytest.raises(IncompatibleError, match="expects inputs of shape"):
            make_env(space=space, task="digits")


def test_parts_may_be_objects(
    make_env: MakeEnv,
    make_space: Callable[..., SearchSpace],
    make_task: Callable[[str], Any],
) -> None:
    from nas_env.evaluators.synthetic import Synthetic
    from nas_env.objectives import NegativeLoss
    from nas_env.store import MemoryStore

    space, task, store = make_space("chain"), make_task("digits"), MemoryStore()
    env: Any = make_env(
        space=space,
        task=task,
        evaluator=Synthetic(task, seed=4),
        objective=NegativeLoss(3.0),
        store=store,
    ).unwrapped
    assert (env.space, env.task, env.store) == (space, task, store)
    env.reset(seed=0)
    env.step(0)
    reward = env.step(14)[1]
    assert -3.0 <= reward < 0


def test_defaults_follow_what_is_given(make_env: MakeEnv, make_arrays: Callable[..., Any]) -> None:
    def parts(**settings: Any) -> tuple[str, str]:
        inner: Any = make_env(**settings).unwrapped
        return inner.space.name, inner.task.spec.name

    assert parts() == ("chain", "digits")
    assert parts(space="mlp") == ("mlp", "wine")
    assert parts(task="wine") == ("mlp", "wine")
    assert parts(data=make_arrays()) == ("chain", "own-data")
    assert parts(data=make_arrays(0, (4,))) == ("mlp", "own-data")


def test_data_and_task_must_agree(make_env: MakeEnv, make_arrays: Callable[..., Any]) -> None:
    with pytest.raises(InvalidSettingError, match=r"'own-data' needs data\. Give data=PATH"):
        make_env(task="own-data")
    with pytest.raises(InvalidSettingError, match=r"'digits' takes no data\. Leave out task"):
        make_env(task="digits", data="file.npz")
    with pytest.raises(InvalidDataError, match=r"missing\.npz: no such file"):
        make_env(data="missing.npz")


@pytest.mark.parametrize("limit", [1, 0, -5])
def test_an_impossible_parameter_limit_is_refused(make_env: MakeEnv, limit: int) -> None:
    with pytest.raises(InvalidSettingError, match=rf"max_params={limit}.*The smallest has \d+"):
        make_env(max_params=limit)


def test_a_limit_on_a_finished_space_is_refused(
    make_env: MakeEnv, make_space: Callable[..., SearchSpace]
) -> None:
    with pytest.raises(InvalidSettingError, match="Pass max_params to the space itself"):
        make_env(space=make_space("chain"), max_params=500)


def test_a_store_that_cannot_be_opened_is_refused(make_env: MakeEnv, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="could not be opened"):
        make_env(store=tmp_path / "missing" / "store.sqlite")


def test_stepping_needs_a_reset(make_env: MakeEnv) -> None:
    env: Any = make_env().unwrapped
    for use in (lambda: env.step(0), lambda: env.state, env.action_masks):
        with pytest.raises(gym.error.ResetNeeded, match=r"Call reset\(\) first"):
            use()
    env.reset(seed=0)
    env.step(0)
    assert env.step(14)[2]
    with pytest.raises(gym.error.ResetNeeded, match="episode is over"):
        env.step(0)
    env.reset()
    assert env.step(0)[2] is False


def test_a_finished_state_that_is_set_needs_a_reset(make_env: MakeEnv) -> None:
    env: Any = make_env().unwrapped
    env.reset(seed=0)
    start = env.state
    env.step(0)
    env.step(14)
    finished = env.state
    env.state = start
    env.step(3)
    env.state = finished
    assert not env.action_masks().any()
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    with pytest.raises(InvalidSettingError, match=r"must be a nas_env\.mdp\.State, got tuple"):
        env.state = (0, ())


@pytest.mark.parametrize("action", [None, "1", 1.5, np.array([1]), np.array([1, 2])])
def test_an_action_that_is_no_integer_is_refused(make_env: MakeEnv, action: Any) -> None:
    env = make_env()
    env.reset(seed=0)
    with pytest.raises(InvalidSettingError, match=r"must be an integer. Use 0 to 14"):
        env.step(action)
    for integer in (np.int64(3), np.array(3)):
        assert env.step(integer)[4]["decision"] == 3


def test_unknown_reset_options_are_refused(make_env: MakeEnv) -> None:
    with pytest.raises(UnknownNameError, match="reset option 'walk'"):
        make_env().reset(options={"walk": (0,)})


def test_a_given_device_that_is_not_there_is_refused(make_env: MakeEnv) -> None:
    with pytest.raises(InvalidSettingError, match="'quantum' cannot be used"):
        make_env(evaluator="training", device="quantum")


def test_seeding_belongs_to_the_environment_alone(make_env: MakeEnv) -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    make_env().reset(seed=5)
    assert np.array_equal(np.random.get_state()[1], state)  # type: ignore[arg-type]


def test_an_unregistered_space_without_a_task_is_refused(
    make_space: Callable[..., SearchSpace],
) -> None:
    space = make_space("chain")
    space.name = "mine"
    with pytest.raises(
        InvalidSettingError, match=r"Space 'mine' is not registered.*task=NAME.*dig"
    ):
        NASEnv(space=space, evaluator="synthetic")
    assert NASEnv(space=space, task="digits", evaluator="synthetic").space is space
