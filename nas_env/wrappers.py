"""Gymnasium wrappers that record a search and check its limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import gymnasium
import numpy as np

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.registry import unknown_name

LIMITS = ("evaluations", "seconds", "simulated_seconds", "episodes", "epochs")
STAGNATION = 10  # a search stops after this many times its limit in episodes without a new network


@dataclass(frozen=True)
class Limits:
    """Limits of a search; None means no limit. At least one limit is required.

    Attributes:
        evaluations: Maximum number of new evaluations, including those found in the store.
        seconds: Maximum seconds; an evaluation found in the store is charged its original seconds.
        until_score: The search ends when the best score reaches this value. Needs another limit.
        simulated_seconds: Maximum training seconds of the table; evaluations over it do not count.
        episodes: Maximum number of episodes, regardless of their results.
        charge_repeats: Whether repeated evaluations of a network are charged like the first.
        charge_isomorphs: Whether a different walk to an identical network is charged, for tables
            with one entry per walk. If False, it is a repeat, and `charge_repeats` decides.
        epochs: Maximum epochs of all evaluations. An evaluation that was stopped early is charged
            the epochs it ran, a repeat with more epochs the difference. The last may exceed it.
        charge_stored: If False, evaluations found in the store cost no seconds.

    Raises:
        UnknownNameError: A limit does not exist; the message lists the limits.
        InvalidSettingError: No limit is given, or a limit is not a positive number.
    """

    evaluations: int | None = None
    seconds: float | None = None
    until_score: float | None = None
    simulated_seconds: float | None = None
    episodes: int | None = None
    charge_repeats: bool = False
    charge_isomorphs: bool = True
    epochs: int | None = None
    charge_stored: bool = True

    def __new__(cls, *values: Any, **limits: Any) -> Self:
        """Check the names of the limits."""
        known = cls.__dataclass_fields__
        for name in limits:
            if name not in known:
                raise unknown_name("limit", name, known)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name in (*LIMITS, "until_score"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise InvalidSettingError(f"Limit {name} must be a number, got {value!r}.")
        if all(getattr(self, name) is None for name in LIMITS):
            raise InvalidSettingError(
                f"A search needs a limit. Set one or more of: {', '.join(LIMITS)}."
            )
        for name in LIMITS:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidSettingError(f"Limit {name} must be > 0, got {value}.")


@dataclass(frozen=True)
class Trial:
    """One evaluated network of a search.

    Attributes:
        episode: Number of the episode, from 1; an episode of mdp="edit" has several trials.
        evaluations: Evaluations charged to this search so far, including this one.
        new: Whether this network is new to this search.
        candidate: The network.
        evaluation: The evaluation of the network.
        score: The score of the network.
        seconds: Charged seconds of the search so far.
        simulated_seconds: Simulated seconds of the search so far, 0 without simulation.
        distinct: Distinct networks of this search so far, including this one.
        epochs: Charged epochs of the search so far.
        rewards: Sum of the rewards of the episode so far.
        best: Whether the score was the best so far.
    """

    episode: int
    evaluations: int
    new: bool
    candidate: Candidate
    evaluation: Evaluation
    score: float
    seconds: float
    simulated_seconds: float = 0.0
    distinct: int = 0
    epochs: int = 0
    rewards: float = 0.0
    best: bool = False

    @property
    def walk(self) -> tuple[int, ...]:
        """The decisions that led to the network."""
        return self.candidate.walk


class _Entry(NamedTuple):
    """A counted network; its evaluation may be pending."""

    candidate: Candidate
    key: Any  # (identity of the network in this search, fidelity)
    episode: int
    fidelity: int
    new: bool
    charged: int
    distinct: int
    late: bool  # started after a limit was reached
    rewards: float  # sum of the earlier rewards of its episode


class TrackSearch(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Record one search: every trial, the best trial, and the used share of the limits.

    The wrapper does not stop the search; the caller checks `finished` after each step. If a table
    reports simulated seconds, `info["simulated_clock"]` is their sum so far. The best trial has the
    environment's own fidelity, belongs to a step taken before a limit was reached, and ended within
    the limit on simulated seconds.

    With deferred scoring (`nas_env.evaluators.Deferred`), a network is counted when its evaluation
    is requested, and becomes a trial when it is scored. Until then scores and seconds may exceed
    their limits.

    Args:
        env: A `NASEnv`, possibly wrapped.
        limits: The limits of the search.
        clock: Returns seconds from an arbitrary origin; replaced in tests.

    Attributes:
        environment_seconds: Wall-clock seconds in the environment: resets, steps, deferred scoring.
        evaluation_seconds: The part of them spent on evaluations that were not found in the store.
            Parallel evaluations are each counted by their share.

    Raises:
        IncompatibleError: `simulated_seconds` is limited, but the evaluator does not report them.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(env)
        _check_simulation(env, limits)
        self.limits = limits
        self.trials: list[Trial] = []
        self.best: Trial | None = None
        self.evaluations = self.repeats = self.episodes = self.epochs = 0
        self.actions = self.illegal_actions = 0
        self._clock = clock
        self._started = clock()
        self._found_seconds = 0.0  # original cost of the evaluations found in the store
        self._last_new_episode = 0
        self._keys: set[Any] = set()
        self._epochs: dict[Any, int] = {}  # charged per network and fidelity
        self.simulated_seconds = 0.0
        self._entered_seconds = 0.0
        self.waiting = 0  # pending evaluations
        self._only_begun = False
        self._over = False  # a limit was reached before the current step
        self._rewards = 0.0  # of the current episode
        self.environment_seconds = self.evaluation_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Charged seconds since the search began."""
        return self._clock() - self._started + self._found_seconds

    @property
    def charged(self) -> int:
        """Evaluations so far that count against the limit."""
        return self.evaluations + (self.repeats if self.limits.charge_repeats else 0)

    @property
    def share(self) -> float:
        """Used share of the limits, in [0, 1]; the schedules of agents follow it."""
        return min(1.0, max(used / limit for used, limit in self._used().values()))

    @property
    def illegal_share(self) -> float:
        """Share of the actions so far that were illegal."""
        return self.illegal_actions / max(self.actions, 1)

    @property
    def finished(self) -> str | None:
        """The reason why the search is over (name of a limit, "score", "stagnation"), or None."""
        limits = self.limits
        if limits.until_score is not None and self.best and self.best.score >= limits.until_score:
            return "score"
        for name, (used, limit) in self._used().items():
            if used >= limit:
                return name
        patience = STAGNATION * (limits.evaluations or 100)
        return "stagnation" if self.episodes - self._last_new_episode >= patience else None

    def _used(self) -> dict[str, tuple[float, float]]:
        """Return the used amount and the limit, for each limit that is set."""
        limits, used = self.limits, dict[str, tuple[float, float]]()
        if limits.evaluations is not None:
            used["evaluations"] = self.charged, limits.evaluations
        if limits.seconds is not None:
            used["seconds"] = self.seconds, limits.seconds
        if limits.simulated_seconds is not None:
            used["simulated_seconds"] = self.simulated_seconds, limits.simulated_seconds
        if limits.episodes is not None:
            used["episodes"] = self.episodes, limits.episodes
        if limits.epochs is not None:
            used["epochs"] = self.epochs, limits.epochs
        return used

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the environment, and record the initial network of the episode, if any."""
        started, self._over = self._clock(), self.share >= 1.0
        observation, info = self.env.reset(**arguments)
        self.episodes += self._only_begun  # the previous episode ended with its initial network
        self._only_begun = "evaluation" in info
        self._rewards = 0.0
        self._enter(info, started, self.episodes + 1)
        self.environment_seconds += self._clock() - started
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take one step, and record the evaluated network, if any."""
        started, self._over = self._clock(), self.share >= 1.0
        result = self.env.step(action)
        _, reward, terminated, truncated, info = result
        self.actions += 1
        self._only_begun = False
        self.illegal_actions += bool(info.get("illegal_action", False))
        self.episodes += bool(terminated or truncated)
        self._enter(info, started, self.episodes + (not (terminated or truncated)), float(reward))
        self._rewards += float(reward)
        self.environment_seconds += self._clock() - started
        return result

    def action_masks(self) -> Any:
        """Return a bool array (actions,), True for legal actions, as sb3-contrib expects it."""
        return self.env.get_wrapper_attr("action_masks")()

    def enter(self, candidate: Candidate, evaluation: Evaluation) -> float:
        """Record an evaluation that was made outside `step`, as one episode.

        The search is charged the seconds since its start, but at least the total seconds of the
        evaluations recorded by this method, divided by the evaluator's slots. The second number is
        higher if evaluations were found in the store.

        Args:
            candidate: The network.
            evaluation: Its evaluation at the environment's own fidelity.

        Returns:
            The score.
        """
        inner: Any = self.unwrapped
        self.episodes += 1
        self.actions += len(candidate.walk)
        self._rewards = 0.0
        entry = self._begin(candidate, self.episodes, inner.budget.epochs)
        if entry.new:
            self._entered_seconds += evaluation.seconds / inner.evaluator.slots
        behind = self._entered_seconds - self.seconds
        if behind <= 0:
            self.environment_seconds += evaluation.seconds / inner.evaluator.slots
            self.evaluation_seconds += evaluation.seconds / inner.evaluator.slots
        score = float(inner.objective.score(evaluation))
        self._finish(entry, evaluation, score, max(0.0, behind), score)
        return score

    def may_begin(self, running: int) -> bool:
        """Whether one more evaluation stays within the limits while `running` others run."""
        for used, limit in (
            (self.charged, self.limits.evaluations),
            (self.episodes, self.limits.episodes),
        ):
            if limit is not None and used + running >= limit:
                return False
        return self.finished is None

    def _enter(
        self, info: dict[str, Any], started: float, episode: int, reward: float = 0.0
    ) -> None:
        """Record the evaluation in `info`, if any."""
        if "evaluation" not in info:
            return
        inner: Any = self.unwrapped
        evaluation = inner.evaluation
        entry = self._begin(inner.candidate, episode, inner.fidelity)
        if evaluation.outcome is Outcome.PENDING:
            self.waiting += 1
            inner.evaluator.then(partial(self._settle, entry))
            return
        saved = evaluation.seconds - (self._clock() - started)
        self.evaluation_seconds += evaluation.seconds if saved <= 0 else 0.0
        self._finish(entry, evaluation, float(info["evaluation"]["score"]), saved, reward)
        if "simulated_seconds" in evaluation.metrics:
            info["simulated_clock"] = self.simulated_seconds

    def _settle(self, entry: _Entry, evaluation: Evaluation, seconds: float) -> None:
        """Record an evaluation that was pending; `seconds` is the time that it took now."""
        inner: Any = self.unwrapped
        self.waiting -= 1
        saved = evaluation.seconds / inner.evaluator.slots - seconds
        self.environment_seconds += seconds
        self.evaluation_seconds += seconds if saved <= 0 else 0.0
        score = float(inner.objective.score(evaluation))
        self._finish(entry, evaluation, score, saved, score)

    def _begin(self, candidate: Candidate, episode: int, fidelity: int) -> _Entry:
        """Count a network; its evaluation may still be pending."""
        key = (self._identity(candidate), fidelity)
        new = key not in self._keys
        if new:
            self._keys.add(key)
            self.evaluations += 1
            self._last_new_episode = self.episodes
        else:
            self.repeats += 1
        counts = self.charged, self.evaluations
        return _Entry(candidate, key, episode, fidelity, new, *counts, self._over, self._rewards)

    def _finish(
        self, entry: _Entry, evaluation: Evaluation, score: float, saved: float, reward: float
    ) -> None:
        """Record an evaluation; `saved` is its original seconds less the seconds it took now."""
        self._charge_epochs(entry.key, evaluation.epochs)
        if entry.new or self.limits.charge_repeats:
            self.simulated_seconds += evaluation.metrics.get("simulated_seconds", 0.0)
        if entry.new and self.limits.charge_stored:
            self._found_seconds += max(0.0, saved)
        best = self._counts(entry) and (self.best is None or score > self.best.score)
        trial = Trial(
            entry.episode,
            entry.charged,
            entry.new,
            entry.candidate,
            evaluation,
            score,
            self.seconds,
            self.simulated_seconds,
            entry.distinct,
            self.epochs,
            entry.rewards + reward,
            best,
        )
        self.trials.append(trial)
        if best:
            self.best = trial

    def _charge_epochs(self, key: Any, epochs: int) -> None:
        """Charge those epochs of an evaluation that were not charged before."""
        paid = 0 if self.limits.charge_repeats else self._epochs.get(key, 0)
        self.epochs += max(0, epochs - paid)
        self._epochs[key] = max(epochs, paid)

    def _counts(self, entry: _Entry) -> bool:
        """Whether an evaluation that ends now can become the best trial."""
        inner: Any = self.unwrapped
        latest = self.limits.simulated_seconds
        in_time = latest is None or self.simulated_seconds <= latest
        return bool(in_time and not entry.late and entry.fidelity == inner.budget.epochs)

    def _identity(self, candidate: Candidate) -> Any:
        """Return a key that is equal for networks that count as the same in this search."""
        if not self.limits.charge_isomorphs:
            return candidate.key
        inner: Any = self.unwrapped
        return inner.evaluator.identity(candidate)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _check_simulation(env: gymnasium.Env[Any, Any], limits: Limits) -> None:
    evaluator = getattr(env.unwrapped, "evaluator", None)
    if limits.simulated_seconds is not None and not getattr(evaluator, "simulates", False):
        raise IncompatibleError(
            f"Limit simulated_seconds={limits.simulated_seconds} cannot end this search, because "
            "its evaluator reports no simulated seconds. Limit evaluations, seconds or episodes "
            "instead."
        )
