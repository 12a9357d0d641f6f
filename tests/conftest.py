"""Parameters from the live registries (ids are names), and factories for what tests need.

A test that takes one of the arguments in `REGISTERED` runs once for every name that is registered,
so whatever registers itself is under contract without a line here.
"""

from __future__ import annotations

import importlib
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # two threads may be ten times slower; before numpy

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from nas_env.evaluators import EVALUATORS
from nas_env.evaluators.ray import cluster as ray_cluster
from nas_env.layers import LAYERS
from nas_env.mdp import MDPS
from nas_env.objectives import OBJECTIVES
from nas_env.registration import ENVIRONMENTS, TABLE, Row
from nas_env.spaces import SPACES, SearchSpace
from nas_env.tasks import TASKS, Task, TaskSpec, needs_data
from tests.support.browsers import browser  # noqa: F401 - the fixture
from tests.support.pairwise import reduce_to_pairs
from tests.support.slow_tests import (  # noqa: F401 - hooks, and what a test asks for
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    stale_slow_tests,
)


def mdp_of(kwargs: dict[str, Any]) -> Any:
    return kwargs.get("mdp", "construct")


REGISTERED: dict[str, Iterable[str]] = {
    "space_name": SPACES,
    "task_name": TASKS,
    "evaluator_name": EVALUATORS,
    "objective_name": OBJECTIVES,
    "layer_kind": LAYERS,
    "env_id": [row.id for row in ENVIRONMENTS],
    "construct_id": [row.id for row in ENVIRONMENTS if mdp_of(row.kwargs) == "construct"],
    "table_id": [row.id for row in ENVIRONMENTS if row.family == TABLE],
}
LARGE_SPACES = [name for name in SPACES if name.startswith("metaqnn-")]
OTHER_SPACES = [name for name in SPACES if name not in LARGE_SPACES]


def observations_of(row: Row) -> Iterable[str]:
    return MDPS.get(mdp_of(row.kwargs)).observations


def answers(row: Row) -> bool:
    """Return whether an id has its own space and trains nothing: a table or a surrogate."""
    return not row.trains


def spaces_of(row: Row, spaces: Iterable[str]) -> Iterable[str | None]:
    """Return the spaces an id is tried with; None where it has its own."""
    return [None] if answers(row) else spaces


def with_spaces(spaces: Iterable[str]) -> list[tuple[Any, ...]]:
    """Return (id, observation, space) such that every allowed pair of them occurs."""
    return reduce_to_pairs(
        (row.id, name, space)
        for row in ENVIRONMENTS
        for name in observations_of(row)
        for space in spaces_of(row, spaces)
    )


# Arguments that a test takes together, with their values: every id with each observation that its
# MDP offers and each space that it takes; of three arguments, every pair of values.
TOGETHER: dict[tuple[str, ...], list[tuple[Any, ...]]] = {
    ("env_id", "observation_name", "any_space"): with_spaces(SPACES),
    ("env_id", "observation_name", "small_space"): with_spaces(OTHER_SPACES),
    ("env_id", "large_space"): [
        (row.id, space) for row in ENVIRONMENTS if not answers(row) for space in LARGE_SPACES
    ],
    ("construct_id", "any_space"): [
        (row.id, space)
        for row in ENVIRONMENTS
        if mdp_of(row.kwargs) == "construct"
        for space in spaces_of(row, SPACES)
    ],
    ("env_id", "observation_name"): [
        (row.id, name) for row in ENVIRONMENTS for name in observations_of(row)
    ],
}
ANSWERING_IDS = [row.id for row in ENVIRONMENTS if answers(row)]
TABLE_FILE = Path(__file__).parent / "support" / "table.csv"
# What an id needs to be made at all.
NEEDED = {"NASTable-v0": {"path": TABLE_FILE, "decisions": list("abcd"), "reward": "valid"}}

FAULTS = "tests.nas_env.evaluators.faults"
collect_ignore = [  # collecting doctests would import them, and they register something
    "nas_env/evaluators/faults.py",
    "support/example_plugin",
    "support/plugin_examples",
]
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_AUTH_TOKEN", uuid.uuid4().hex)  # else Ray writes one to the home folder
torch.set_num_threads(1)
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    asked = set(metafunc.fixturenames)
    for arguments, values in TOGETHER.items():
        if asked.issuperset(arguments):
            metafunc.parametrize(arguments, values)
            asked -= set(arguments)
    for argument, names in REGISTERED.items():
        if argument in asked:
            metafunc.parametrize(argument, list(names))


def tiny_arrays(seed: int = 0, shape: tuple[int, ...] = (6, 6)) -> dict[str, Any]:
    """Return 60 random samples of three classes, as `own-data` takes them."""
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(60, *shape)), "y": np.arange(60) % 3}


@cache
def cached_space(name: str, *settings: Any) -> SearchSpace:
    return SPACES.get(name)(*settings)


@cache
def cached_task(name: str) -> Task:
    return TASKS.get(name)(data=tiny_arrays()) if needs_data(name) else TASKS.get(name)()


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Keep one local Ray for all tests of this process that ask for it."""
    ray_cluster.join("local")
    yield
    ray_cluster.leave()


@pytest.fixture(scope="session")
def make_space() -> Callable[..., SearchSpace]:
    """Return the factory (name, input_shape, num_outputs, max_params); spaces are compiled once."""
    return cached_space


@pytest.fixture(scope="session")
def make_task() -> Callable[[str], Task]:
    """Return the factory of tasks by name; those of own data get tiny random images."""
    return cached_task


@pytest.fixture(scope="session")
def make_arrays() -> Callable[..., dict[str, Any]]:
    """Return the factory (seed, shape) of tiny data for the task "own-data"."""
    return tiny_arrays


@pytest.fixture(scope="session")
def make_env() -> Callable[..., gym.Env[Any, Any]]:
    """Return a factory of environments by id that train nothing unless told to."""

    def make(env_id: str = "NAS-v0", **settings: Any) -> gym.Env[Any, Any]:
        return gym.make(env_id, **{**free_settings(env_id), **settings})

    return make


def free_settings(env_id: str) -> dict[str, Any]:
    """Return the settings with which an id answers at once: by itself, or made up."""
    name = env_id.removeprefix("nas_env:")
    if name in ANSWERING_IDS:
        return dict(NEEDED.get(name, {}))
    return {"evaluator": "synthetic"}


@pytest.fixture(scope="session")
def spec_for() -> Callable[[SearchSpace], TaskSpec]:
    """Return what a task looks like that a space fits, with ten classes."""

    def spec(space: SearchSpace) -> TaskSpec:
        assert space.input_shape is not None
        return TaskSpec("probe", 1, space.modality, space.input_shape, 10)

    return spec


@pytest.fixture(scope="module")
def faults() -> Iterator[ModuleType]:
    """Return the module `faults`, with its layer registered for the tests of one file."""
    yield importlib.import_module(FAULTS)
    del sys.modules[FAULTS]
    LAYERS.remove("fault")
