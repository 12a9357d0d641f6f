"""Measure which share of PPO's learning time goes into the steps of the environment.

Example: python -m scripts.bench ppo_share --repeats 5
"""

from __future__ import annotations

import cProfile
import pstats
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

import nas_env  # noqa: F401 - registers the ids
from nas_env_agents.common.vec_env import NASVecEnv
from scripts.bench.page import PAGES, Page, spread, verdict

ENV = "NASBench201-v0"
MOST_SHARE = 0.1
PROFILE_LINES = 12


@dataclass(frozen=True)
class Options:
    """Measure which share of PPO's learning time goes into the steps of the environment.

    Attributes:
        steps: Environment steps of one repeat.
        lanes: Lanes of the vector environment.
        threads: Threads of torch.
        repeats: Repeats of each row; the rows take turns.
        output: Folder of the page.
    """

    steps: int = 16_384
    lanes: int = 16
    threads: int = 1
    repeats: int = 5
    output: Path = PAGES


class Timed(VecEnvWrapper):
    """Adds up the seconds spent in steps, resets and masks."""

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.seconds = 0.0

    def reset(self) -> Any:
        """Reset and count the seconds."""
        started = time.perf_counter()
        result = self.venv.reset()
        self.seconds += time.perf_counter() - started
        return result

    def step_wait(self) -> Any:
        """Step and count the seconds."""
        started = time.perf_counter()
        result = self.venv.step_wait()
        self.seconds += time.perf_counter() - started
        return result

    def env_method(self, *arguments: Any, **kwargs: Any) -> list[Any]:
        """Call a method of the lanes and count the seconds."""
        started = time.perf_counter()
        result = self.venv.env_method(*arguments, **kwargs)
        self.seconds += time.perf_counter() - started
        return result


def single() -> VecEnv:
    """Return one environment, as Stable-Baselines3 wraps it by itself."""
    return DummyVecEnv([lambda: gymnasium.make(ENV)])


def lanes(num: int) -> VecEnv:
    """Return the vector environment with the adapter."""
    return NASVecEnv(gymnasium.make_vec(ENV, num_envs=num, autoreset_mode="SameStep"))


def learn(kind: Any, env: VecEnv, settings: Options, seed: int) -> tuple[float, float]:
    """Return the seconds of `learn`, and the share of them spent in the environment."""
    timed = Timed(env)
    steps = 2048 // env.num_envs  # a rollout of the default length, whatever the lanes
    agent = kind("MlpPolicy", timed, n_steps=steps, seed=seed, device="cpu")
    started = time.perf_counter()
    agent.learn(settings.steps)
    seconds = time.perf_counter() - started
    return seconds, timed.seconds / seconds


def profile(settings: Options) -> list[str]:
    """Return the lines of a profile of the first row where most time was spent."""
    agent = PPO("MlpPolicy", single(), seed=0, device="cpu")
    profiler = cProfile.Profile()
    profiler.runcall(agent.learn, settings.steps)
    stats: Any = pstats.Stats(profiler)
    rows = [(place, own, whole) for place, (_, _, own, whole, _) in stats.stats.items()]
    lines = [(own, _where(place)) for place, own, _ in sorted(rows, key=lambda row: -row[1])]
    lines = lines[:PROFILE_LINES]
    for method in ("step", "reset"):
        wholes = [x for place, _, x in rows if "nas_env/env.py" in place[0] and place[2] == method]
        lines.append((sum(wholes), f"NASEnv.{method}, including the functions it calls"))
    return [f"    {100 * seconds / stats.total_tt:5.1f} %  {text}" for seconds, text in lines]


def _where(place: tuple[str, int, str]) -> str:
    """Return file and function, without the machine's folders."""
    file, _, function = place
    return function if file == "~" else f"{'/'.join(Path(file).parts[-2:])}: {function}"


def run(settings: Options) -> int:
    """Measure and write the page."""
    torch.set_num_threads(settings.threads)
    many = f"NASVecEnv, {settings.lanes} lanes"
    table: dict[str, tuple[Any, Any]] = {
        "PPO, one `gymnasium.make` environment": (PPO, single),
        f"PPO, {many}": (PPO, lambda: lanes(settings.lanes)),
        f"MaskablePPO, {many}": (MaskablePPO, lambda: lanes(settings.lanes)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in table}
    shares: dict[str, list[float]] = {name: [] for name in table}
    for repeat in range(settings.repeats):
        for name, (kind, make) in table.items():
            passed, share = learn(kind, make(), settings, repeat)
            seconds[name].append(passed)
            shares[name].append(100 * share)
    page = Page(
        "ppo_share",
        "Share of the environment in the learning time of PPO",
        f"Stable-Baselines3's PPO and sb3-contrib's MaskablePPO on `{ENV}` for {settings.steps:,} "
        "steps with their default settings (rollouts of 2,048 steps, 10 epochs, batches of 64), "
        f"{settings.threads} thread. The environment's time is that of steps, resets and masks, "
        "measured around the vector environment, including the `DummyVecEnv` of "
        "Stable-Baselines3.",
        f"{settings.repeats}, the rows taking turns",
        ("agent and environment", "seconds", "environment's share, %"),
        [(name, spread(seconds[name]), spread(shares[name])) for name in table],
    )
    holds = all(statistics.median(values) < 100 * MOST_SHARE for values in shares.values())
    page.verdicts.append(verdict(f"under {MOST_SHARE:.0%} in every row", holds))
    page.verdicts.append(
        "Profile (cProfile, which slows Python code down) of the first row, by the "
        "function's own time:\n\n" + "\n".join(profile(settings))
    )
    page.write(settings.output)
    return 0
