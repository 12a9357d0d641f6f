"""The compared methods; each evaluates a given number of different cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed

from nas_env.objectives import MnasNet, Objective, WeightedSum
from nas_env.objectives.reward import Reward
from nas_env.spaces import Walk
from nas_env.wrappers import Limits, TrackSearch
from nas_env_cli.specs import AgentSpec, EnvSpec
from scripts.studies.pareto import nsga2
from scripts.studies.pareto.problem import DATASET, Numbers, problem

ENV = f"cells=NASBench201-v0:dataset={DATASET}"
NSGA2 = "nsga2"
HEAVIEST, LIGHTEST = 1.0, 0.01  # accuracy that the whole range of latencies costs
APART = 1_000_000  # seeds of two portions of a run
EPISODES = 10  # a portion plays at most this many times its networks


@dataclass(frozen=True)
class Method:
    """A search method and its settings.

    Attributes:
        agent: An agent as `nas-env benchmark` takes it, or "nsga2".
        kind: Scalarisation, "targets" or "weights"; empty for none.
        size: Targets or weights; members of NSGA-II's population.
    """

    agent: str
    kind: str = ""
    size: int = 1

    @property
    def label(self) -> str:
        """The name on the page."""
        if self.agent == NSGA2:
            return f"{NSGA2}, {self.size} members"
        return f"{self.agent}, {self.size} {self.kind}" if self.kind else self.agent

    def objectives(self, device: str) -> list[Objective | None]:
        """Return the scalarised objectives, one for each portion of the networks.

        Targets: the accuracy, times target over latency above the target (the hard objective of
        MnasNet); evenly spaced quantiles of the latencies of all cells. Weights: the accuracy less
        the latency, whose whole range costs from `LIGHTEST` to `HEAVIEST`, evenly by factors.
        """
        latency = problem(device).latency_ms
        if self.kind == "targets":
            shares = (np.arange(self.size) + 0.5) / self.size
            targets = np.quantile(latency, shares).tolist()
            return [_hard(target) for target in targets]
        if self.kind == "weights":
            prices = np.geomspace(LIGHTEST, HEAVIEST, self.size) / latency.max()
            weights = [{"accuracy": 1.0, "latency_ms": -float(x)} for x in prices]
            return [WeightedSum(x, least=0.0) for x in weights]
        return [None]


def _hard(target: float) -> MnasNet:
    """Return the hard objective for a target latency; its scores are at most the accuracy."""
    objective = MnasNet(target, "latency_ms", 0.0, -1.0)
    objective.bounds = (0.0, 1.0)
    return objective


class Portion(BaseCallback):
    """Ends an agent when its portion of the networks is used up."""

    def __init__(self, tracker: TrackSearch) -> None:
        super().__init__()
        self.tracker = tracker

    def _on_step(self) -> bool:
        return self.tracker.finished is None


class SharedSearch(TrackSearch):
    """The record of a search in which earlier evaluated networks cost nothing.

    Args:
        env: The environment.
        limits: Limits of the search.
        evaluated_keys: Keys of networks that were evaluated; new ones are added.
    """

    def __init__(self, env: Any, limits: Limits, evaluated_keys: set[Any]) -> None:
        super().__init__(env, limits)
        self._keys = evaluated_keys


def evaluated(method: Method, device: str, seed: int, limit: int) -> list[Walk]:
    """Return the different cells that a method evaluates, in order, at most `limit`.

    Raises:
        MissingDependencyError: pymoo is not installed, which NSGA-II needs.
    """
    if method.agent == NSGA2:
        return _evolve(method, device, seed, limit)
    spec = AgentSpec.parse(method.agent)
    evaluated_keys: set[Any] = set()
    walks: list[Walk] = []
    objectives = method.objectives(device)
    for number, objective in enumerate(objectives, start=1):
        portion = limit * number // len(objectives) - len(
            walks
        )  # including unused networks of earlier portions
        if portion:
            own = seed + (number - 1) * APART
            walks += _portion(spec, device, objective, own, portion, evaluated_keys)
    return walks


def _portion(
    spec: AgentSpec,
    device: str,
    objective: Objective | None,
    seed: int,
    limit: int,
    evaluated_keys: set[Any],
) -> list[Walk]:
    """Return the cells that an agent evaluates for one objective."""
    env = _env(device, spec.observation(EnvSpec.parse(ENV)))
    inner: Any = env.unwrapped
    inner.objective = objective or Reward()
    set_random_seed(seed)
    env.reset(seed=seed)
    tracker = SharedSearch(
        env, Limits(evaluations=limit, episodes=EPISODES * limit), evaluated_keys
    )
    steps = EPISODES * limit * inner.space.max_length
    spec.make(tracker, seed).learn(steps, Portion(tracker))
    return [trial.walk for trial in tracker.trials if trial.new][:limit]


@cache
def _env(device: str, observation: str | None) -> gymnasium.Env[Any, Any]:
    """Return the environment of a device; it is created once, and its objective is replaced."""
    env = EnvSpec.parse(ENV)
    return replace(env, settings={**env.settings, "hardware": device}).make(observation)


def _evolve(method: Method, device: str, seed: int, limit: int) -> list[Walk]:
    device_problem = problem(device)

    def points(walks: Sequence[Walk]) -> Numbers:
        return device_problem.searched[device_problem.rows(walks)]

    inner: Any = _env(device, None).unwrapped
    return nsga2.search(inner.space, points, limit, method.size, seed)
