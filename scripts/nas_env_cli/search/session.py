"""Runs one agent on one environment until a limit of the search."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.logger import Logger

from nas_env.errors import InvalidSettingError, StoreError
from nas_env.store import Store
from nas_env.wrappers import STAGNATION, Limits, TrackSearch, Trial
from nas_env_agents.common.asynchronous import Asynchronous
from nas_env_cli.interrupts import TimeIsUp, time_limit
from nas_env_cli.search.callback import SearchCallback
from nas_env_cli.search.events import SearchEvents
from nas_env_cli.search.progress_bar import SearchProgress
from nas_env_cli.search.record import SearchRecord, describe
from nas_env_cli.specs import AgentSpec, check_learn, file_name

EPISODES_WITHOUT_LIMIT = 1_000_000
KNOWN_LATE = {  # limits on evaluation results: the attribute of a trial to compare with
    "until_score": "score",
    "seconds": "seconds",
    "epochs": "epochs",
    "simulated_seconds": "simulated_seconds",
}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        agent: The agent after the search.
        tracker: The trials of the search, and its limits.
        reason: Why it ended: the name of a limit, "score" or "stagnation".
        names: Names of candidates by key, for those that have one.
        wall_seconds: How long it took, from making the agent to the end.
    """

    agent: Any
    tracker: TrackSearch
    reason: str
    wall_seconds: float = 0.0
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def trials(self) -> list[Trial]:
        """The trials within the limit.

        If episodes begin with a network, a last episode may have begun before the agent stopped.
        """
        limits = self.tracker.limits
        most, latest = limits.evaluations, limits.simulated_seconds
        return [
            x
            for x in self.tracker.trials
            if (most is None or x.evaluations <= most)
            and (latest is None or x.simulated_seconds <= latest)
        ]

    @property
    def evaluations(self) -> int:
        """New networks within the limit."""
        return sum(trial.new for trial in self.trials)

    @property
    def best(self) -> Trial:
        """The trial with the highest score; failures rank last, earlier trials win ties.

        Raises:
            InvalidSettingError: The limit was too small for a single network.
        """
        if not self.trials:
            raise InvalidSettingError(
                f"The search ended ({self.reason}) before its first network was finished. "
                "Raise the limit."
            )
        return max(self.trials, key=lambda x: (x.evaluation.ok, x.score, -x.episode))

    def quarters(self) -> tuple[float, float]:
        """Return the mean score of the first and of the last quarter of the new networks."""
        scores = [trial.score for trial in self.trials if trial.new]
        quarter = max(1, len(scores) // 4)
        return float(np.mean(scores[:quarter])), float(np.mean(scores[-quarter:]))


def run_search(
    agent_name: str,
    env: gymnasium.Env[Any, Any],
    limits: Limits,
    seed: int = 0,
    tensorboard: Path | None = None,
    progress: SearchProgress | None = None,
    token: str | None = None,
    store: Store | None = None,
    advise: Callable[[Any], None] | None = None,
    **settings: Any,
) -> SearchResult:
    """Run a search until a limit is reached, and record it in the store.

    A limit on seconds with `charge_stored=False` also stops the evaluation that is running.

    To resume an interrupted search, call this again with the same token, arguments and store. A
    stepping agent repeats its decisions, with evaluations from the store. An asynchronous agent
    recalls the stored evaluations.

    Args:
        agent_name: A name in `AGENTS`, or MODULE:CLASS.
        env: An environment with the agent's observation (see `observation_of`).
        limits: When the search ends.
        seed: Seed of agent and environment.
        tensorboard: Folder for event files, see `nas_env_cli.search.events.SearchEvents`, or None.
        progress: Shows each trial, or None.
        token: Name of the search in the store; None: a new name.
        store: Store of the record; None: the store of the environment.
        advise: Called with the agent before it searches, or None.
        settings: Hyper-parameters that override the stored ones.

    Raises:
        UnknownNameError: No such agent.
        InvalidSettingError: Its class has no `learn(total_timesteps, callback)`.
    """
    started = time.perf_counter()
    tracker = TrackSearch(env, limits)
    agent = AgentSpec(agent_name, agent_name, settings).make(tracker, seed)
    check_learn(agent)
    file_stem = file_name(agent_name)
    events = None if tensorboard is None else SearchEvents(tensorboard, tracker, file_stem)
    if hasattr(agent, "set_logger"):
        agent.set_logger(events.logger if events else Logger(folder=None, output_formats=[]))
    info = describe(agent_name, env, limits, seed, settings, token)
    record = SearchRecord(tracker, info, store)
    callback = SearchCallback(tracker, progress, events, record)
    if isinstance(agent, Asynchronous):
        agent.recall([(entry.candidate, entry.evaluation) for entry in record.entries])
    if advise is not None:
        advise(agent)
    stopped_after = limits.seconds if limits.seconds and not limits.charge_stored else inf
    reason = ""
    try:
        with time_limit(stopped_after - (time.perf_counter() - started)):
            agent.learn(_most_steps(env, limits), callback)
        callback.catch_up()
    except TimeIsUp:
        reason = "seconds"
        callback.catch_up()
    except KeyboardInterrupt:
        record.catch_up()
        record.end("interrupted")
        raise
    except (OSError, StoreError):
        with suppress(OSError, StoreError):  # the store may be on the same disk
            record.end("interrupted")
        raise
    finally:
        if events is not None:
            events.close()
    reason = reason or tracker.finished or "steps"
    record.end(reason)
    if stopped_after < inf:
        _enter_unrepeated(tracker, record)
    _warn_of_overshoot(tracker)
    return SearchResult(agent, tracker, reason, time.perf_counter() - started)


def _enter_unrepeated(tracker: TrackSearch, record: SearchRecord) -> None:
    """Add the recorded networks that a resumed search had no time to repeat."""
    repeated = {trial.candidate.trained_key for trial in tracker.trials}
    for entry in record.entries:
        if entry.candidate.trained_key not in repeated:
            tracker.enter(entry.candidate, entry.evaluation)


def _warn_of_overshoot(tracker: TrackSearch) -> None:
    """Log the number of networks evaluated after the limit that ended the search was reached.

    Deferred scoring notices a score or a number of seconds only at the end of a rollout. With
    immediate scoring, the number is 0.
    """
    for name, value in KNOWN_LATE.items():
        limit = getattr(tracker.limits, name)
        reached = [limit is not None and getattr(x, value) >= limit for x in tracker.trials]
        after = len(reached) - 1 - reached.index(True) if True in reached else 0
        if after:
            logger.warning("%d networks were evaluated after %s was reached.", after, name)


def _most_steps(env: gymnasium.Env[Any, Any], limits: Limits) -> int:
    """Return an upper bound on the steps of a search under these limits."""
    inner: Any = env.unwrapped
    episodes = EPISODES_WITHOUT_LIMIT
    if limits.evaluations is not None:
        episodes = STAGNATION * limits.evaluations * (limits.evaluations + 1)
    if limits.episodes is not None:
        episodes = min(episodes, limits.episodes)
    return int(min(episodes * inner.space.max_length * 3, 10**12))
