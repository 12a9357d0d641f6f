"""Ordinary Gymnasium wrappers: the book-keeping and the limits of a search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation

STAGNATION = 10  # a search stops after this many times its limit in episodes without a new network


@dataclass(frozen=True)
class Limits:
    """When a search ends; None means no such limit. At least one of the first two is needed.

    Attributes:
        evaluations: Evaluations new to this search; a warm store makes them fast, not free.
        seconds: Seconds of the search; an evaluation found in the store costs what it cost then.
        until_score: End as soon as a score is at least this.

    Raises:
        InvalidSettingError: Neither evaluations nor seconds are limited, or one is not positive.
    """

    evaluations: int | None = None
    seconds: float | None = None
    until_score: float | None = None

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None:
            raise InvalidSettingError("A search needs a limit. Give evaluations, seconds or both.")
        for name in ("evaluations", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidSettingError(f"Limit {name} must be > 0, but is {value}.")


@dataclass(frozen=True)
class Trial:
    """One evaluated network of a search.

    Attributes:
        episode: Number of its episode, from 1; an episode that edits has several trials.
        evaluations: Evaluations new to this search so far, this one included.
        new: Whether this network was new to this search.
        candidate: The network.
        evaluation: What came out of it.
        score: Its score.
        seconds: Charged seconds of the search so far.
    """

    episode: int
    evaluations: int
    new: bool
    candidate: Candidate
    evaluation: Evaluation
    score: float
    seconds: float


class TrackSearch(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps the books of one search: every trial, the best one, and the share of the limit used.

    It never ends an episode by itself; whoever drives it looks at `finished` after each step.

    Args:
        env: The environment, wrapped or not, around a `NASEnv`.
        limits: When the search ends.
        clock: Seconds from any start; replaced in tests.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(env)
        self.limits = limits
        self.trials: list[Trial] = []
        self.best: Trial | None = None
        self.evaluations = self.repeats = self.episodes = 0
        self.actions = self.illegal_actions = 0
        self._clock = clock
        self._started = clock()
        self._found_seconds = 0.0  # what evaluations found in the store cost when they were made
        self._last_new_episode = 0
        self._keys: set[str] = set()
        self._only_begun = False

    @property
    def seconds(self) -> float:
        """Charged seconds since the search began."""
        return self._clock() - self._started + self._found_seconds

    @property
    def share(self) -> float:
        """Share of the limit that is used, in [0, 1]; agents' schedules follow it."""
        shares = [0.0]
        if self.limits.evaluations is not None:
            shares.append(self.evaluations / self.limits.evaluations)
        if self.limits.seconds is not None:
            shares.append(self.seconds / self.limits.seconds)
        return min(1.0, max(shares))

    @property
    def illegal_share(self) -> float:
        """Share of the actions so far that were illegal."""
        return self.illegal_actions / max(self.actions, 1)

    @property
    def finished(self) -> str | None:
        """Why the search is over ("evaluations", "seconds", "score", "stagnation"), or None."""
        limits = self.limits
        if limits.until_score is not None and self.best and self.best.score >= limits.until_score:
            return "score"
        if limits.evaluations is not None and self.evaluations >= limits.evaluations:
            return "evaluations"
        if limits.seconds is not None and self.seconds >= limits.seconds:
            return "seconds"
        patience = STAGNATION * (limits.evaluations or 100)
        return "stagnation" if self.episodes - self._last_new_episode >= patience else None

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, and enter the network that the episode begins with, if any, into the books."""
        started = self._clock()
        observation, info = self.env.reset(**arguments)
        self.episodes += self._only_begun  # the one before ended with the network it began with
        self._only_begun = "evaluation" in info
        self._enter(info, started, self.episodes + 1)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and enter an evaluated network into the books."""
        started = self._clock()
        result = self.env.step(action)
        _, _, terminated, truncated, info = result
        self.actions += 1
        self._only_begun = False
        self.illegal_actions += bool(info.get("illegal_action", False))
        self.episodes += bool(terminated or truncated)
        self._enter(info, started, self.episodes + (not (terminated or truncated)))
        return result

    def action_masks(self) -> Any:
        """Return (actions,) bool, True where legal; the name sb3-contrib looks for."""
        return self.env.get_wrapper_attr("action_masks")()

    def _enter(self, info: dict[str, Any], started: float, episode: int) -> None:
        """Enter an evaluation, if there was one, into the books."""
        if "evaluation" not in info:
            return
        score, seconds = float(info["evaluation"]["score"]), self._clock() - started
        inner: Any = self.unwrapped
        candidate, evaluation = inner.candidate, inner.evaluation
        new = candidate.key not in self._keys
        if new:
            self._keys.add(candidate.key)
            self.evaluations += 1
            self._last_new_episode = self.episodes
            self._found_seconds += max(0.0, evaluation.seconds - seconds)
        else:
            self.repeats += 1
        trial = Trial(episode, self.evaluations, new, candidate, evaluation, score, self.seconds)
        self.trials.append(trial)
        if self.best is None or score > self.best.score:
            self.best = trial
