"""Ordinary Gymnasium wrappers: the book-keeping and the limits of a search."""

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
    """When a search ends; None means no such limit. At least one limit is needed.

    Attributes:
        evaluations: Evaluations new to this search; a warm store makes them fast, not free.
        seconds: Seconds of the search; an evaluation found in the store costs what it cost then.
        until_score: End as soon as the best score is at least this; no limit by itself.
        simulated_seconds: Seconds that a table says the evaluations would have taken. An evaluation
            that ends later does not count.
        episodes: Episodes, whatever they led to.
        charge_repeats: Whether evaluating a network again costs as much as the first time.
        charge_isomorphs: Whether another walk to the same network costs, where a table has an entry
            for each walk. If not, it is a repeat: `charge_repeats=True` wins and charges it.
        epochs: Epochs of all evaluations: one that was stopped costs those that it had, one found
            in the store what it cost then, and one that had more epochs this time the difference.
            The last evaluation may go over it.

    Raises:
        UnknownNameError: No such limit; the message lists them.
        InvalidSettingError: Nothing is limited, or a limit is not a number or not positive.
    """

    evaluations: int | None = None
    seconds: float | None = None
    until_score: float | None = None
    simulated_seconds: float | None = None
    episodes: int | None = None
    charge_repeats: bool = False
    charge_isomorphs: bool = True
    epochs: int | None = None

    def __new__(cls, *values: Any, **named: Any) -> Self:
        """Refuse an unknown limit by name."""
        known = cls.__dataclass_fields__
        for name in named:
            if name not in known:
                raise unknown_name("limit", name, known)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name in (*LIMITS, "until_score"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise InvalidSettingError(f"Limit {name} must be a number, but is {value!r}.")
        if all(getattr(self, name) is None for name in LIMITS):
            raise InvalidSettingError(
                f"A search needs a limit. Give one or more of: {', '.join(LIMITS)}."
            )
        for name in LIMITS:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidSettingError(f"Limit {name} must be > 0, but is {value}.")


@dataclass(frozen=True)
class Trial:
    """One evaluated network of a search.

    Attributes:
        episode: Number of its episode, from 1; an episode that edits has several trials.
        evaluations: Evaluations charged to this search so far, this one included.
        new: Whether this network was new to this search.
        candidate: The network.
        evaluation: What came out of it.
        score: Its score.
        seconds: Charged seconds of the search so far.
        simulated_seconds: Simulated seconds of the search so far, 0 where nothing is simulated.
        distinct: Networks new to this search so far, this one included.
        epochs: Charged epochs of the search so far.
        rewards: Sum of the rewards of its episode so far.
        best: Whether it was the best so far.
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
    """A network that was counted; its evaluation may be pending."""

    candidate: Candidate
    key: Any  # what makes it the same network to this search, and its fidelity
    episode: int
    fidelity: int
    new: bool
    charged: int
    distinct: int
    late: bool  # begun after a limit was reached
    rewards: float  # of its episode before it


class TrackSearch(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps the books of one search: every trial, the best one, and the share of the limit used.

    It stops nothing by itself; whoever drives it looks at `finished` after each step. Where a
    table tells the seconds of an evaluation, `info["simulated_clock"]` is their sum so far. The
    best trial is one at the environment's own fidelity, of a step taken before a limit was
    reached, that ended within the simulated limit.

    Where scores are deferred (`nas_env.evaluators.Deferred`), a network counts when it is asked for
    and becomes a trial when it is settled; until then scores and seconds may go over their limits.

    Args:
        env: The environment, wrapped or not, around a `NASEnv`.
        limits: When the search ends.
        clock: Seconds from any start; replaced in tests.

    Attributes:
        environment_seconds: Wall-clock seconds in the environment: resets, steps, deferred scoring.
        evaluation_seconds: Those of them in which networks were evaluated, not found in the store;
            of several at once, each counts by its share.

    Raises:
        IncompatibleError: Simulated seconds are limited, but nothing tells them.
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
        self._found_seconds = 0.0  # what evaluations found in the store cost when they were made
        self._last_new_episode = 0
        self._keys: set[Any] = set()
        self._epochs: dict[Any, int] = {}  # charged for each network and fidelity
        self.simulated_seconds = 0.0
        self._entered_seconds = 0.0
        self.waiting = 0  # pending evaluations
        self._only_begun = False
        self._over = False  # a limit was reached before the present step
        self._rewards = 0.0  # of the present episode
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
        """Share of the limit that is used, in [0, 1]; agents' schedules follow it."""
        return min(1.0, max(used / limit for used, limit in self._used().values()))

    @property
    def illegal_share(self) -> float:
        """Share of the actions so far that were illegal."""
        return self.illegal_actions / max(self.actions, 1)

    @property
    def finished(self) -> str | None:
        """Why the search is over (the name of a limit, "score", "stagnation"), or None."""
        limits = self.limits
        if limits.until_score is not None and self.best and self.best.score >= limits.until_score:
            return "score"
        for name, (used, limit) in self._used().items():
            if used >= limit:
                return name
        patience = STAGNATION * (limits.evaluations or 100)
        return "stagnation" if self.episodes - self._last_new_episode >= patience else None

    def _used(self) -> dict[str, tuple[float, float]]:
        """Return what is used of each limit that there is, and the limit."""
        limits = self.limits
        used: dict[str, tuple[float, float]] = {}
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
        """Reset, and enter the network that the episode begins with, if any, into the books."""
        started, self._over = self._clock(), self.share >= 1.0
        observation, info = self.env.reset(**arguments)
        self.episodes += self._only_begun  # the one before ended with the network it began with
        self._only_begun = "evaluation" in info
        self._rewards = 0.0
        self._enter(info, started, self.episodes + 1)
        self.environment_seconds += self._clock() - started
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and enter an evaluated network into the books."""
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
        """Return (actions,) bool, True where legal; the name sb3-contrib looks for."""
        return self.env.get_wrapper_attr("action_masks")()

    def enter(self, candidate: Candidate, evaluation: Evaluation) -> float:
        """Enter an evaluation that did not come by a step, as an episode of its own.

        Charged are the seconds since the search began, and at least what all that was entered so
        took, shared by the evaluator's slots: that is more where the store had it.

        Args:
            candidate: The network.
            evaluation: What came out of it at the environment's own fidelity.

        Returns:
            Its score.
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
        """Return whether one more evaluation stays within the limits while so many are running."""
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
        """Enter an evaluation, if there was one, into the books."""
        if "evaluation" not in info:
            return
        inner: Any = self.unwrapped
        evaluation = inner.evaluation
        entry = self._begin(inner.candidate, episode, inner.fidelity)
        if evaluation.outcome is Outcome.PENDING:
            self.waiting += 1
            inner.evaluator.then(partial(self._settle, entry))
            return
        found = evaluation.seconds - (self._clock() - started)
        self.evaluation_seconds += evaluation.seconds if found <= 0 else 0.0
        self._finish(entry, evaluation, float(info["evaluation"]["score"]), found, reward)
        if "simulated_seconds" in evaluation.metrics:
            info["simulated_clock"] = self.simulated_seconds

    def _settle(self, entry: _Entry, evaluation: Evaluation, seconds: float) -> None:
        """Enter what was pending; `seconds` is the time that its evaluation took just now."""
        inner: Any = self.unwrapped
        self.waiting -= 1
        found = evaluation.seconds / inner.evaluator.slots - seconds
        self.environment_seconds += seconds
        self.evaluation_seconds += seconds if found <= 0 else 0.0
        score = float(inner.objective.score(evaluation))
        self._finish(entry, evaluation, score, found, score)

    def _begin(self, candidate: Candidate, episode: int, fidelity: int) -> _Entry:
        """Count a network; what comes out of it need not be known yet."""
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
        self, entry: _Entry, evaluation: Evaluation, score: float, found: float, reward: float
    ) -> None:
        """Enter what came out of a network; `found` are seconds that it took when it was made."""
        self._charge_epochs(entry.key, evaluation.epochs)
        if entry.new or self.limits.charge_repeats:
            self.simulated_seconds += evaluation.metrics.get("simulated_seconds", 0.0)
        if entry.new:
            self._found_seconds += max(0.0, found)
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
        """Charge the epochs of an evaluation that this search has not paid for yet."""
        paid = 0 if self.limits.charge_repeats else self._epochs.get(key, 0)
        self.epochs += max(0, epochs - paid)
        self._epochs[key] = max(epochs, paid)

    def _counts(self, entry: _Entry) -> bool:
        """Return whether an evaluation that ends now may be the best one."""
        inner: Any = self.unwrapped
        latest = self.limits.simulated_seconds
        in_time = latest is None or self.simulated_seconds <= latest
        return bool(in_time and not entry.late and entry.fidelity == inner.budget.epochs)

    def _identity(self, candidate: Candidate) -> Any:
        """Return what makes two networks the same to this search."""
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
            f"Limit simulated_seconds={limits.simulated_seconds} would never end this search: its "
            "evaluator tells no simulated seconds. Limit evaluations, seconds or episodes instead."
        )
