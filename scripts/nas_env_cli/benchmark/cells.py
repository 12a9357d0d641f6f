"""A cell of a benchmark: one run of one agent on one environment with one seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import set_random_seed

from nas_env.errors import InvalidSettingError
from nas_env.wrappers import Limits, TrackSearch, Trial
from nas_env_cli.benchmark.results import Row
from nas_env_cli.specs import AgentSpec, EnvSpec, check_learn

METRICS = ("report", "regret_reward", "regret_report")
MADE: dict[str, gymnasium.Env[Any, Any]] = {}  # environments reused by this process


@dataclass(frozen=True)
class Cell:
    """One agent on one environment with one seed."""

    agent: AgentSpec
    env: EnvSpec
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """Its labels and seed."""
        return self.agent.label, self.env.label, self.seed

    def __str__(self) -> str:
        return f"{self.agent.label} on {self.env.label}, seed {self.seed}"


class Stop(BaseCallback):
    """Stops the agent at a limit of the search, or when it has found the optimum."""

    def __init__(self, tracker: TrackSearch) -> None:
        super().__init__()
        self.tracker = tracker
        self.optimum = False
        self._seen = 0

    def on_step(self) -> bool:
        """Return whether to continue; uses no attribute of the agent, so any agent may call it."""
        return self._on_step()

    def _on_step(self) -> bool:
        trials = self.tracker.trials
        while self._seen < len(trials):
            trial = trials[self._seen]
            self.optimum |= at_full_fidelity(trial, self.tracker) and is_best(trial)
            self._seen += 1
        return not self.optimum and self.tracker.finished is None


def is_best(trial: Trial) -> bool:
    """Return whether a network has the best reward of the table, and its score is that reward."""
    metrics = trial.evaluation.metrics
    return metrics.get("regret_reward") == 0 and trial.score == metrics.get("reward")


def at_full_fidelity(trial: Trial, tracker: TrackSearch) -> bool:
    """Return whether a network was evaluated with the environment's default number of epochs."""
    inner: Any = tracker.unwrapped
    return not inner.evaluator.by_walk or trial.evaluation.epochs == inner.budget.epochs


def play(cell: Cell, limits: Limits) -> tuple[list[Row], str]:
    """Run a cell; return its rows and why it ended: "optimum" or a `TrackSearch.finished` value.

    A run ends early if it finds the best score of the table. Networks over the limit are left out,
    such as the last one if the simulated seconds run out.

    Raises:
        InvalidSettingError: The limit is too low for a single network, the agent has no
            `learn(total_timesteps, callback)`, or `learn` returned before the first network.
    """
    env = made(cell)
    set_random_seed(cell.seed)
    env.reset(seed=cell.seed)  # the run is the same if the agent does not seed the environment
    env.action_space.seed(cell.seed)
    tracker = TrackSearch(env, limits)
    agent = cell.agent.make(tracker, cell.seed)
    if hasattr(agent, "set_logger"):
        agent.set_logger(Logger(folder=None, output_formats=[]))
    callback = Stop(tracker)
    check_learn(agent)
    agent.learn(most_steps(env, limits), callback)
    rows = rows_of(cell, tracker)
    if not rows and tracker.finished is None:
        raise InvalidSettingError(
            "learn() returned before the first network was finished. It must step until "
            "callback.on_step() returns False."
        )
    if not rows:
        raise InvalidSettingError(
            f"The run of {cell} ended ({tracker.finished}) before its first network was finished. "
            "Raise the limit."
        )
    return rows, "optimum" if callback.optimum else tracker.finished or "steps"


def made(cell: Cell) -> gymnasium.Env[Any, Any]:
    """Return the environment of a cell.

    A process reuses an environment with a free evaluator and seeds it again. Each cell gets a new
    environment otherwise, because episodes may begin with the best network of the store.
    """
    observation = cell.agent.observation(cell.env)
    key = json.dumps([cell.env.to_json(), observation])
    if key in MADE:
        return MADE[key]
    env = cell.env.make(observation)
    inner: Any = env.unwrapped
    if inner.evaluator.free:
        MADE[key] = env
    return env


def most_steps(env: Any, limits: Limits) -> int:
    """Return enough environment steps for all episodes under these limits."""
    inner = env.unwrapped
    longest = inner.space.max_length
    if getattr(inner.mdp, "illegal", "project") != "project" or hasattr(inner.mdp, "max_edits"):
        longest = 3 * max(longest, getattr(inner.mdp, "max_edits", 0))
    return int((limits.episodes or 1_000_000) * longest)


def rows_of(cell: Cell, tracker: TrackSearch) -> list[Row]:
    """Return the networks within the limits as rows, up to the first one with the best score.

    Networks that the agent evaluated with another number of epochs cost queries. They have no row,
    because their scores are not comparable.
    """
    rows = []
    for number, trial in enumerate(tracker.trials, start=1):
        if _over(trial, tracker.limits):
            break
        if at_full_fidelity(trial, tracker):
            rows.append(_row(cell, number, trial))
            if is_best(trial):
                break
    return rows


def _over(trial: Trial, limits: Limits) -> bool:
    most, seconds = limits.evaluations, limits.simulated_seconds
    if most is not None and trial.evaluations > most:
        return True
    return seconds is not None and trial.simulated_seconds > seconds


def _row(cell: Cell, number: int, trial: Trial) -> Row:
    metrics = trial.evaluation.metrics
    report, regret_reward, regret_report = (float(metrics.get(x, np.nan)) for x in METRICS)
    return Row(
        *cell.key,
        trial.distinct,
        number,
        trial.episode,
        ",".join(map(str, trial.walk)),
        not trial.new,
        trial.score,
        report,
        regret_reward,
        regret_report,
        trial.simulated_seconds if "simulated_seconds" in metrics else np.nan,
    )
