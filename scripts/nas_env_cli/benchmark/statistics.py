"""Interquartile means, stratified bootstrap intervals, probabilities of improvement, profiles.

They are computed with the library `rliable` (Agarwal et al., "Deep Reinforcement Learning at the
Edge of the Statistical Precipice", NeurIPS 2021). Runs are resampled within each environment.
`rliable` draws from numpy's global generator even if it gets a random state. This module seeds that
generator before and restores it after, so that pages are reproducible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import MissingDependencyError
from nas_env.extras import command

Numbers = NDArray[np.float64]
REPEATS = 1000  # bootstrap samples of an interval on a page


class Interval(NamedTuple):
    """An estimate with the ends of its 95 % interval; floats, or arrays of several estimates."""

    value: Any
    low: Any
    high: Any


def interval(scores: Numbers, estimate: Callable[[Numbers], Numbers], repeats: int) -> Interval:
    """Return an estimate on (runs, environments, ...) scores with its bootstrap interval."""
    with seeded():
        values, ends = _library().get_interval_estimates({"": scores}, estimate, reps=repeats)
    return Interval(values[""], ends[""][0], ends[""][1])


def middles(scores: Numbers, repeats: int = REPEATS) -> tuple[Interval, Interval]:
    """Return the median and the interquartile mean of (runs, points) scores for each point."""
    estimates = interval(scores[:, None], _middles, repeats)
    half = scores.shape[1]
    return Interval(*(x[:half] for x in estimates)), Interval(*(x[half:] for x in estimates))


def iqm(scores: Numbers, repeats: int = REPEATS) -> Interval:
    """Return the interquartile mean of (runs,) scores."""
    estimate = middles(scores[:, None], repeats)[1]
    return Interval(*(float(x[0]) for x in estimate))


def _middles(scores: Numbers) -> Numbers:
    """Return (2 * points,) the medians, then the interquartile means."""
    ordered = np.sort(scores[:, 0], axis=0)  # (runs, points)
    runs, cut = len(ordered), len(ordered) // 4
    medians = (ordered[(runs - 1) // 2] + ordered[runs // 2]) / 2
    return np.concatenate([medians, ordered[cut : runs - cut].mean(axis=0)])


def profile(scores: Sequence[Numbers], levels: Numbers, repeats: int = REPEATS) -> Interval:
    """Return (levels,) the share of all runs at or below each level.

    Args:
        scores: (runs,) numbers for each environment; lower is better.
        levels: The levels.
        repeats: Bootstrap samples.
    """
    runs = min(len(x) for x in scores)
    matrix = np.stack([x[:runs] for x in scores], axis=1)  # (runs, environments)

    def shares(sample: Numbers) -> Numbers:
        return np.searchsorted(np.sort(sample, axis=None), levels, side="right") / sample.size

    return interval(matrix, shares, repeats)


def improvement(ours: Numbers, theirs: Numbers, repeats: int = REPEATS) -> Interval:
    """Return the probability that a run of `ours` has a higher score than a run of `theirs`.

    Args:
        ours: (runs,) scores of an agent; a tie counts one half.
        theirs: (runs,) scores of the other agent.
        repeats: Bootstrap samples.
    """
    with seeded():
        pair = {"": (ours[:, None], theirs[:, None])}
        values, ends = _library().get_interval_estimates(pair, _improvement, reps=repeats)
    return Interval(float(values[""][0]), float(ends[""][0, 0]), float(ends[""][1, 0]))


def _improvement(ours: Numbers, theirs: Numbers) -> Numbers:
    """Return the share of pairs in which `ours` is higher: rliable's metric, but faster."""
    ordered = np.sort(theirs, axis=None)
    won = np.searchsorted(ordered, ours.ravel(), side="left").sum()
    not_lost = np.searchsorted(ordered, ours.ravel(), side="right").sum()
    return np.array([(won + not_lost) / 2 / (ours.size * theirs.size)])


@dataclass(frozen=True)
class ToOptimum:
    """Statistics of the queries to the optimum.

    Attributes:
        mean: Mean; a run that did not find the optimum counts as the cap.
        median: Median; None if half of the runs or more did not find the optimum.
        share: Share of the runs that found the optimum.
    """

    mean: float
    median: float | None
    share: float

    @classmethod
    def of(cls, counts: Sequence[int | None], cap: int) -> ToOptimum:
        """Return the statistics of counts; None: a run that did not find the optimum."""
        numbers = [cap if count is None else count for count in counts]
        share = sum(count is not None for count in counts) / len(counts)
        middle = float(np.median([np.inf if count is None else count for count in counts]))
        return cls(float(np.mean(numbers)), middle if np.isfinite(middle) else None, share)


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Seed numpy's global generator while the block runs."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def _library() -> Any:
    try:
        from rliable import library
    except (ImportError, TypeError) as error:  # TypeError: its dependency `arch` with pandas 3
        raise MissingDependencyError(
            f"Statistics of a benchmark need rliable ({error}). Run: {command('benchmark')}."
        ) from None
    return library
