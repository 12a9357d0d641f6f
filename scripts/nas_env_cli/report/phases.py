"""The phases of a search: those of the agent's epsilon schedule, or fifths of the search."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any, TypedDict

FIFTHS = 5


class Phase(TypedDict):
    """A part of a search: its name, and the indices of its first trial and past its last."""

    name: str
    first: int
    end: int


def phases_of(
    used: Sequence[tuple[int, float]], limits: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[Phase]:
    """Return the phases of a search, in order.

    Args:
        used: New networks and seconds so far, for each trial.
        limits: Limits of the search.
        settings: Settings of the agent; `schedule` has pairs of epsilon and share of the limit.
    """
    schedule = settings.get("schedule")
    if isinstance(schedule, Sequence) and schedule and limits.get("evaluations"):
        names = [f"\u03b5 {_epsilon(schedule, limits, x)}" for x in [(0, 0.0), *used[:-1]]]
    else:
        count = min(FIFTHS, len(used))
        names = [_fifth(number * count // len(used), count) for number in range(len(used))]
    phases, first = [], 0
    for name, group in groupby(names):
        end = first + len(list(group))
        phases.append(Phase(name=name, first=first, end=end))
        first = end
    return phases


def _fifth(number: int, count: int) -> str:
    return f"{number * 100 // count}\u2013{(number + 1) * 100 // count} %"


def _epsilon(
    schedule: Sequence[Sequence[float]], limits: Mapping[str, Any], used: tuple[int, float]
) -> str:
    """Return the epsilon of `q-learning` after the used part of the limit."""
    shares = [used[0] / limits["evaluations"]]
    if limits.get("seconds"):
        shares.append(used[1] / limits["seconds"])
    total = sum(weight for _, weight in schedule)
    ends = [end / total for end in accumulate(weight for _, weight in schedule)]
    passed = bisect_right(ends, min(1.0, max(shares)))
    return f"{schedule[min(passed, len(schedule) - 1)][0]:g}"
