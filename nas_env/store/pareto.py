"""Pareto sets of evaluated networks."""

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
    """A group of comparable evaluations.

    Attributes:
        fingerprint: Fingerprint of the evaluator.
        budget: Budget with its training seed.
        evaluations: Number of evaluations, including failures.
    """

    fingerprint: str
    budget: Budget
    evaluations: int

    @property
    def of_keys(self) -> tuple[str, str, int]:
        """The fields that the keys of its evaluations share."""
        return self.fingerprint, self.budget.text, self.budget.training_seed


@dataclass(frozen=True)
class Member:
    """A network of a Pareto set.

    Attributes:
        candidate: The network.
        evaluation: Its evaluation.
        values: The compared metrics by name.
    """

    candidate: Candidate
    evaluation: Evaluation
    values: Mapping[str, float]


@dataclass(frozen=True)
class ParetoSet:
    """The non-dominated networks: no other is at least as good in all metrics and better in one.

    Attributes:
        maximise: Metrics for which higher is better.
        minimise: Metrics for which lower is better.
        members: The networks, sorted by the first metric, then by the others, best first. All
            networks with equal metrics are included.
        compared: Number of compared networks.
        failed: Number of excluded failures.
        lacking: Number of evaluations excluded because a metric is missing or not finite.
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
        """(members, metrics) the metrics of the members, those to maximise first."""
        rows = [[member.values[name] for name in self.names] for member in self.members]
        return np.array(rows, np.float64).reshape(len(rows), len(self.names))

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Return the hypervolume with respect to a reference, in the product of the metrics' units.

        Args:
            reference: Reference value of each metric; worse values do not count.

        Raises:
            InvalidSettingError: The reference lacks a metric, or there are more than three metrics.
        """
        if set(reference) != set(self.names):
            raise InvalidSettingError(
                f"reference {dict(reference)} must have a value for each of "
                f"{', '.join(self.names)} and no other."
            )
        signs = self.signs
        worst = [reference[name] * sign for name, sign in zip(self.names, signs, strict=True)]
        return hypervolume(self.points * signs, worst)

    @property
    def signs(self) -> list[float]:
        """Factors that convert the metrics to numbers for which lower is better."""
        return [-1.0] * len(self.maximise) + [1.0] * len(self.minimise)


def pareto_set(
    evaluations: Sequence[Evaluation],
    candidate_of: Callable[[int], Candidate],
    maximise: Sequence[str] | str,
    minimise: Sequence[str] | str,
) -> ParetoSet:
    """Return the Pareto set of evaluated networks.

    Args:
        evaluations: The evaluations.
        candidate_of: Called with an index of an evaluation; returns the candidate.
        maximise: One or more metrics for which higher is better.
        minimise: One or more metrics for which lower is better.

    Raises:
        InvalidSettingError: No metric is given, or one is given twice.
        UnknownNameError: No evaluation has such a metric; the message lists the known ones.
    """
    empty = ParetoSet(_names(maximise), _names(minimise))
    names = _checked(empty.names)
    good = [place for place, evaluation in enumerate(evaluations) if evaluation.ok]
    metrics_of_good = [evaluations[place].metrics for place in good]
    rows = [[metrics.get(name, math.nan) for name in names] for metrics in metrics_of_good]
    points = np.array(rows, np.float64).reshape(len(rows), len(names))
    _check_known(names, metrics_of_good)
    complete = np.flatnonzero(np.isfinite(points).all(axis=1))
    costs = points[complete] * empty.signs
    front = np.flatnonzero(non_dominated(costs))
    ordered = front[np.lexsort(costs[front].T[::-1])]
    members = []
    for row in complete[ordered].tolist():
        place, values = good[row], dict(zip(names, points[row].tolist(), strict=True))
        members.append(Member(candidate_of(place), evaluations[place], values))
    failed, lacking = len(evaluations) - len(good), len(good) - len(complete)
    return replace(
        empty, members=tuple(members), compared=len(complete), failed=failed, lacking=lacking
    )


def only_kind(kinds: Sequence[Kind], fingerprint: str | None, budget: Budget | None) -> Kind | None:
    """Return the only matching kind, or None if there are no evaluations.

    Raises:
        InvalidSettingError: Several kinds match, or none; the message lists them.
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
        f"{which} of the evaluations match fingerprint={fingerprint!r} and budget={budget}, but "
        f"only evaluations of one kind are comparable. Give one of: {listed}."
    )


def _names(value: Sequence[str] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names):
        raise InvalidSettingError(
            f"Metrics to maximise or minimise must be distinct, got {list(names)}. Give "
            "at least one, such as maximise='accuracy', minimise='params'."
        )
    return names


def _check_known(names: Sequence[str], metrics: Sequence[Mapping[str, float]]) -> None:
    """Raise if no evaluation has a metric, unless there are no evaluations."""
    known = {name for each in metrics for name in each}
    for name in names:
        if metrics and name not in known:
            raise unknown_name("metric of these evaluations", name, sorted(known))
