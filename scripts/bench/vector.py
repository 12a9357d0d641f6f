"""Measure steps per second of NASVectorEnv against Gymnasium's vectorised CartPole-v1.

Example: python -m scripts.bench vector --repeats 15
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

import nas_env  # noqa: F401 - registers the ids
from scripts.bench.page import PAGES, Page, spread, verdict

CARTPOLE, SYNC = "CartPole-v1, vectorised", "NASBench201-v0, SyncVectorEnv"
TIMES_SYNC = 25


@dataclass(frozen=True)
class Options:
    """Measure steps per second of NASVectorEnv against Gymnasium's vectorised CartPole-v1.

    Attributes:
        lanes: Lanes of the vector environments.
        sync_lanes: Lanes of the SyncVectorEnv.
        seconds: Minimum duration of one repeat of a row.
        repeats: Repeats of each row; the rows take turns.
        output: Folder of the page.
    """

    lanes: int = 1024
    sync_lanes: int = 64
    seconds: float = 0.3
    repeats: int = 15
    output: Path = PAGES


class Case(NamedTuple):
    """One row: an environment, which infos are read after each step, and its aim."""

    env: VectorEnv[Any, Any, Any]
    read: str = ""
    must: bool = False


def cases(settings: Options) -> dict[str, Case]:
    """Return the rows."""
    num, name = settings.lanes, "NASBench201-v0"
    make: Any = gymnasium.make_vec
    rows = {CARTPOLE: Case(make("CartPole-v1", num, vectorization_mode="vector_entry_point"))}
    for mode in ("NextStep", "SameStep"):
        for observation in ("tokens", "state", "features"):
            env = make(name, num, observation=observation, autoreset_mode=mode)
            rows[f"{name}, `{observation}`, {mode}"] = Case(env, must=True)
    rows[f"{name}, `tokens`, NextStep, masks read"] = Case(make(name, num), "action_mask")
    rows[f"{name}, `tokens`, NextStep, all infos read"] = Case(make(name, num), "decision")
    rows[f'{name}, `tokens`, illegal="stay"'] = Case(make(name, num, illegal="stay"))
    rows['NASBenchMacro-v0, `tokens`, run="random"'] = Case(
        make("NASBenchMacro-v0", num, run="random")
    )
    rows["NAS-v0, synthetic, `tokens`"] = Case(make("NAS-v0", num, evaluator="synthetic"))
    rows[SYNC] = Case(make(name, settings.sync_lanes, vectorization_mode="sync"))
    return rows


def steps_per_second(case: Case, actions: list[NDArray[np.int64]], seconds: float) -> float:
    """Return steps per second, all lanes counted."""
    env = case.env
    env.reset(seed=0)
    steps, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        for action in actions:
            infos = env.step(action)[-1]
            if case.read:
                infos.get(case.read)
        steps += len(actions) * env.num_envs
    return steps / passed


def measure(settings: Options) -> tuple[dict[str, Case], dict[str, list[float]]]:
    """Return the rows and the steps per second of each repeat."""
    table = cases(settings)
    rates: dict[str, list[float]] = {name: [] for name in table}
    for repeat in range(-1, settings.repeats):  # the first round warms up
        for name, case in table.items():
            rng = np.random.default_rng(repeat + 1)
            width = case.env.single_action_space.n  # type: ignore[attr-defined]
            actions = [rng.integers(width, size=case.env.num_envs) for _ in range(42)]
            rate = steps_per_second(case, actions, settings.seconds)
            if repeat >= 0:
                rates[name].append(rate)
    return table, rates


def over(rates: dict[str, list[float]], base: str) -> dict[str, list[float]]:
    """Return the ratio of each repeat to the same repeat of one row."""
    return {
        name: [rate / other for rate, other in zip(values, rates[base], strict=True)]
        for name, values in rates.items()
    }


def run(settings: Options) -> int:
    """Measure and write the page."""
    table, rates = measure(settings)
    cartpole, sync = over(rates, CARTPOLE), over(rates, SYNC)
    millions = {name: [rate / 1e6 for rate in values] for name, values in rates.items()}
    page = Page(
        "vector",
        "Steps per second of vector environments",
        f"Vector environments made by `gymnasium.make_vec`: {settings.lanes} lanes, "
        f"`SyncVectorEnv` {settings.sync_lanes}. A step of all lanes counts as one step per lane; "
        "actions are drawn beforehand, and resets count. In `NASBench201-v0` every decision is "
        'legal and the rewards are looked up. `illegal="stay"` uses the general code path for all '
        'spaces. `run="random"` queries the table for the finished walks of each step. `NAS-v0` '
        "(digits) evaluates the finished networks of each step in one batch, which takes most of "
        "its time. Infos are built only in the rows that read them.",
        f"{settings.repeats} of at least {settings.seconds} s each, the rows taking turns",
        ("environment", "million steps/s", "times CartPole-v1", "times SyncVectorEnv"),
        [
            (name, spread(millions[name], 3), spread(cartpole[name]), spread(sync[name], 1))
            for name in table
        ],
    )
    must = [name for name, case in table.items() if case.must]
    holds = all(statistics.median(cartpole[name]) >= 1 for name in must)
    aim = "on NAS-Bench-201, NASVectorEnv is at least as fast as vectorised CartPole-v1"
    page.verdicts.append(verdict(f"{aim} (the first six rows of NASBench201-v0)", holds))
    holds = all(statistics.median(sync[name]) >= TIMES_SYNC for name in must)
    page.verdicts.append(verdict(f"at least {TIMES_SYNC} times SyncVectorEnv, same rows", holds))
    page.write(settings.output)
    return 0
