"""The evaluated networks that no other is better than, by several metrics at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation
from nas_env.pareto import hypervolume, non_dominated
from nas_env.registry import unknown_name


@dataclass(frozen=True)
class Kind:
    """What evaluations share that compare with each other.

    Attributes:
        fingerprint: Of the evaluator.
        budget: With its training seed.
        evaluations: How many there are, failures included.
    """

    fingerprint: str
    budget: Budget
    evaluations: int

    @property
    def of_keys(self) -> tuple[str, str, int]:
        """What the keys of its evaluations share."""
        return self.fingerprint, self.budget.text, self.budget.training_seed


@dataclass(frozen=True)
class Member:
    """A network of a Pareto set.

    Attributes:
        candidate: The network.
        evaluation: What came out of it.
        values: Its metrics that are compared, by name.
    """

    candidate: Candidate
    evaluation: Evaluation
    values: Mapping[str, float]


@dataclass(frozen=True)
class ParetoSet:
    """The networks that no other dominates: none is nowhere worse and somewhere better.

    Attributes:
        maximise: Metrics of which more is better.
        minimise: Metrics of which less is better.
        members: Best first by the first metric, then by the others; networks with equal metrics
            are all there.
        compared: Networks that were compared.
        failed: Evaluations that were left out because they failed.
        lacking: Evaluations that were left out because a metric is missing or not finite.
    """

    maximise: tuple[str, ...]
    minimise: tuple[str, ...]
    members: tuple[Member, ...] = ()
    compared: int = 0
    failed: int = 0
    lacking: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """All metrics, those to maximise first."""
        return (*self.maximise, *self.minimise)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def points(self) -> NDArray[np.float64]:
        """(members, metrics) their metrics, those to maximise first."""
        rows = [[member.values[name] for name in self.names] for member in self.members]
        return np.array(rows, np.float64).reshape(len(rows), len(self.names))

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Return the volume between the set and a reference, in the product of the metrics' units.

        Args:
            reference: Of every metric the worst value that still counts.

        Raises:
            InvalidSettingError: A metric has none, or there are more than three metrics.
        """
        if set(reference) != set(self.names):
            raise InvalidSettingError(
                f"The reference {dict(reference)} must hold a value for each of "
                f"{', '.join(self.names)} and no other."
            )
        signs = self.signs
        worst = [reference[name] * sign for name, sign in zip(self.names, signs, strict=True)]
        return hypervolume(self.points * signs, worst)

    @property
    def signs(self) -> list[float]:
        """What turns the metrics into numbers of which less is better."""
        return [-1.0] * len(self.maximise) + [1.0] * len(self.minimise)


def pareto_set(
    evaluations: Sequence[Evaluation],
    candidate_of: Callable[[int], Candidate],
    maximise: Sequence[str] | str,
    minimise: Sequence[str] | str,
) -> ParetoSet:
    """Return the Pareto set of evaluated networks.

    Args:
        evaluations: What came out of each.
        candidate_of: Called with a place among them; returns the network.
        maximise: Metrics of which more is better, or one.
        minimise: Metrics of which less is better, or one.

    Raises:
        InvalidSettingError: There is no metric, or one stands twice.
        UnknownNameError: No evaluation has such a metric; the message lists those there are.
    """
    empty = ParetoSet(_names(maximise), _names(minimise))
    names = _checked(empty.names)
    good = [place for place, evaluation in enumerate(evaluations) if evaluation.ok]
    known = [evaluations[place].metrics for place in good]
    rows = [[metrics.get(name, math.nan) for name in names] for metrics in known]
    points = np.array(rows, np.float64).reshape(len(rows), len(names))
    _check_known(names, known)
    kept = np.flatnonzero(np.isfinite(points).all(axis=1))
    costs = points[kept] * empty.signs
    front = np.flatnonzero(non_dominated(costs))
    ordered = front[np.lexsort(costs[front].T[::-1])]
    members = []
    for row in kept[ordered].tolist():
        place, values = good[row], dict(zip(names, points[row].tolist(), strict=True))
        members.append(Member(candidate_of(place), evaluations[place], values))
    failed, lacking = len(evaluations) - len(good), len(good) - len(kept)
    return replace(
        empty, members=tuple(members), compared=len(kept), failed=failed, lacking=lacking
    )


def only_kind(kinds: Sequence[Kind], fingerprint: str | None, budget: Budget | None) -> Kind | None:
    """Return the kind that is asked for; None where there are no evaluations at all.

    Raises:
        InvalidSettingError: Several fit, or none of those there are; the message lists them.
    """
    fitting = [
        kind
        for kind in kinds
        if fingerprint in (None, kind.fingerprint) and budget in (None, kind.budget)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if not kinds:
        return None
    which = "None" if not fitting else f"{len(fitting)} kinds"
    listed = "; ".join(
        f"fingerprint={kind.fingerprint!r}, budget={kind.budget} ({kind.evaluations})"
        for kind in fitting or kinds
    )
    raise InvalidSettingError(
        f"{which} of the evaluations fit fingerprint={fingerprint!r} and budget={budget}, but only "
        f"those of one kind compare. Give one of: {listed}."
    )


def _names(given: Sequence[str] | str) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names):
        raise InvalidSettingError(
            f"Metrics to maximise or minimise must be different ones, got {list(names)}. Give "
            "at least one, such as maximise='accuracy', minimise='params'."
        )
    return names


def _check_known(names: Sequence[str], metrics: Sequence[Mapping[str, float]]) -> None:
    """Refuse a metric that no evaluation has, unless there are none."""
    known = {name for each in metrics for name in each}
    for name in names:
        if metrics and name not in known:
            raise unknown_name("metric of these evaluations", name, sorted(known))
