"""An id of a table or a surrogate stands for that one and cannot be given another."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from nas_env.env import NASEnv
from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.known_env import make_surrogate_env, make_table_env
from nas_env.registration import ENTRY_POINTS, ENVIRONMENTS, Row, row_of
from nas_env.surrogates import SURROGATES
from nas_env.tables import TABLES
from tests.conftest import NEEDED

FIXED = [row for row in ENVIRONMENTS if not row.trains]
OTHERS = [
    (row, name)
    for row in FIXED
    for name in (*(TABLES if row.family == "table" else SURROGATES), "chian-bench")
    if name != row.kwargs[row.family]
]


@pytest.mark.parametrize(("row", "other"), OTHERS, ids=lambda x: getattr(x, "id", x))
@pytest.mark.parametrize("make", ["make", "make_vec", "sync"])
def test_another_table_or_surrogate_is_refused(row: Row, other: str, make: str) -> None:
    settings: dict[str, Any] = {**NEEDED.get(row.id, {}), row.family: other}
    own = row.kwargs[row.family]
    message = f"{row.id} uses {row.family} {own!r}, but {row.family}={other!r} was given"
    with pytest.raises(InvalidSettingError, match=message) as error:
        if make == "make":
            gym.make(row.id, **settings)
        elif make == "make_vec":
            gym.make_vec(row.id, num_envs=2, **settings)
        else:
            gym.make_vec(row.id, num_envs=2, vectorization_mode="sync", **settings)
    ids = [x.id for x in ENVIRONMENTS if x.kwargs.get(row.family) == other]
    remedy = f"Leave it out, or use {ids[0]}." if ids else "Leave it out."
    assert str(error.value).endswith(remedy)


@pytest.mark.parametrize("row", FIXED, ids=lambda row: row.id)
def test_the_name_of_its_own_changes_nothing(row: Row) -> None:
    needed = NEEDED.get(row.id, {})
    made = [gym.make(row.id, **needed), gym.make(row.id, **needed, **row.kwargs)]
    first, second = (env.unwrapped.evaluator.fingerprint for env in made)  # type: ignore[attr-defined]
    assert first == second


@pytest.mark.parametrize("family", ["table", "surrogate"])
def test_an_environment_that_trains_takes_neither(family: str) -> None:
    with pytest.raises(UnknownNameError, match=f"argument of NASEnv .* '{family}'"):
        gym.make("NAS-v0", **{family: "nasbench201"})


def test_the_functions_behind_the_ids_take_every_name() -> None:
    assert make_table_env("nasbench-macro").space.name == "nasbench-macro"
    assert isinstance(make_surrogate_env("accel-nasbench"), NASEnv)
    gym.register("MyMacro-v0", ENTRY_POINTS["table"][0], kwargs={"table": "nasbench-macro"})
    try:
        env: Any = gym.make("MyMacro-v0").unwrapped
        assert env.space.name == "nasbench-macro"
        with pytest.raises(
            UnknownNameError, match=r"The environment of table 'nasbench-macro' has"
        ):
            gym.make("MyMacro-v0", nothing=1)
    finally:
        del gym.registry["MyMacro-v0"]


def test_an_unknown_id_is_refused_with_the_nearest() -> None:
    assert row_of("NASBench201-v0").family == "table"
    with pytest.raises(UnknownNameError, match=r"'NASBench202-v0'. Did you mean 'NASBench201-v0'"):
        row_of("NASBench202-v0")
