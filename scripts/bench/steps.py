"""Measure steps per second of one NASEnv with a free evaluator, against CartPole-v1.

Example: python -m scripts.bench steps --repeats 15
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import nas_env  # noqa: F401 - registers NAS-v0
from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Evaluator
from nas_env.spaces.nasbench201 import candidate
from scripts.bench.page import PAGES, Page, spread, verdict

AIMS = {
    "free": "with the free evaluator, NASEnv",
    "synthetic": "with the synthetic evaluator, NASEnv",
    "table": "NASBench201-v0",
    "all networks new": "NASBench201-v0 without the cache of networks",
}
Env = gymnasium.Env[Any, Any]
Draw = Callable[[Env, np.random.Generator, int], list[np.int64]]


@dataclass(frozen=True)
class Options:
    """Measure steps per second of one NASEnv with a free evaluator, against CartPole-v1.

    Attributes:
        steps: Steps of one repeat.
        repeats: Repeats of each row; the rows take turns.
        output: Folder of the page.
    """

    steps: int = 20_000
    repeats: int = 15
    output: Path = PAGES


class Free(Evaluator):
    """Returns a constant evaluation, so that only the environment takes time."""

    fingerprint = "free"
    free = True
    answer = Evaluation(Outcome.OK, {"accuracy": 0.5, "loss": 0.5, "train_loss": 0.5, "params": 1})

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate."""
        return [self.answer] * len(candidates)


def any_actions(env: Env, rng: np.random.Generator, steps: int) -> list[np.int64]:
    """Return random actions, legal or not."""
    return list(rng.integers(env.action_space.n, size=steps))  # type: ignore[attr-defined]


def legal_actions(env: Env, rng: np.random.Generator, steps: int) -> list[np.int64]:
    """Return the decisions of random walks, one after the other."""
    space = env.unwrapped.space  # type: ignore[attr-defined]
    actions: list[np.int64] = []
    while len(actions) < steps:
        actions.extend(np.array(space.sample(rng)))
    return actions[:steps]


def play_actions(env: Env, actions: list[np.int64]) -> tuple[float, int]:
    """Return the seconds of all steps and resets, and the number of finished episodes."""
    env.reset(seed=0)
    episodes = 0
    started = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            episodes += 1
            env.reset()
    return time.perf_counter() - started, episodes


def forgetful() -> Env:
    """Return a table's environment without the cache of networks."""
    env = gymnasium.make("NASBench201-v0")
    inner: Any = env.unwrapped
    inner.space.assemble = candidate.__wrapped__  # without the cache
    return env


def familiar(observation: str) -> Callable[[], Env]:
    """Return a factory of a table's environment whose cache contains every network."""
    make = kept("NASBench201-v0", observation=observation)
    inner: Any = make().unwrapped
    networks = [inner.space.assemble(walk) for walk in inner.space.enumerate()]
    inner.evaluator.evaluate(networks, inner.budget)
    for network in networks:
        network.architecture.text  # noqa: B018 - is cached as well
    return make


def kept(env_id: str, **settings: Any) -> Callable[[], Env]:
    """Return a factory that always returns the same environment."""
    env = gymnasium.make(env_id, **settings)
    return lambda: env


def cases() -> dict[str, tuple[Callable[[], Env], Draw]]:
    """Return the rows: a factory of environments with the default wrappers, and the actions."""
    rows: dict[str, tuple[Callable[[], Env], Draw]] = {
        "CartPole-v1, random actions": (kept("CartPole-v1"), any_actions)
    }
    evaluators: dict[str, str | Evaluator] = {"free": Free(), "synthetic": "synthetic"}
    for name, evaluator in evaluators.items():
        for observation in ("tokens", "state", "features"):
            env = kept("NAS-v0", evaluator=evaluator, observation=observation)
            rows[f"NAS-v0, {name}, `{observation}`, random actions"] = (env, any_actions)
        env = kept("NAS-v0", evaluator=evaluator)
        rows[f"NAS-v0, {name}, `tokens`, legal random actions"] = (env, legal_actions)
    for observation in ("tokens", "state", "features"):
        rows[f"NASBench201-v0, table, `{observation}`, random actions"] = (
            familiar(observation),
            any_actions,
        )
    rows["NASBench201-v0, all networks new, `tokens`, random actions"] = (forgetful, any_actions)
    return rows


def measure(settings: Options) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return steps per second of each repeat, and steps per episode, of each row."""
    table = cases()
    rates: dict[str, list[float]] = {name: [] for name in table}
    lengths: dict[str, float] = {}
    for repeat in range(-1, settings.repeats):  # the first round warms up
        for name, (make, draw) in table.items():
            env = make()
            env.reset()
            actions = draw(env, np.random.default_rng(repeat + 1), settings.steps)
            seconds, episodes = play_actions(env, actions)
            lengths[name] = settings.steps / max(episodes, 1)
            if repeat >= 0:
                rates[name].append(settings.steps / seconds)
    return rates, lengths


def run(settings: Options) -> int:
    """Measure and write the page."""
    rates, lengths = measure(settings)
    reference, *others = rates
    ratios = {
        name: [rate / base for rate, base in zip(rates[name], rates[reference], strict=True)]
        for name in rates
    }
    page = Page(
        "steps",
        "Steps per second of one environment",
        "One environment made by `gymnasium.make` with its default wrappers; actions are drawn "
        "beforehand, and resets count. `NAS-v0` builds networks for the digits. The free evaluator "
        "returns a constant for every finished network. The synthetic one (`evaluator="
        '"synthetic"`) trains nothing, but predicts all costs and computes a synthetic score. '
        "`NASBench201-v0` looks finished networks up in its table. It caches networks, and all "
        "15,625 are in the cache; in the last row it builds each network again.",
        f"{settings.repeats} of {settings.steps:,} steps each, the rows taking turns",
        ("environment", "steps per episode", "steps/s", "times CartPole-v1"),
        [
            (name, f"{lengths[name]:.1f}", spread(rates[name], 0), spread(ratios[name]))
            for name in rates
        ],
    )
    for word, who in AIMS.items():
        rows = [name for name in others if f", {word}," in name]
        holds = all(statistics.median(ratios[name]) >= 1 for name in rows)
        aim = f"{who} is no slower than CartPole-v1 in every row"
        page.verdicts.append(verdict(aim, holds))
    page.write(settings.output)
    return 0
