"""`mnasnet-soft` and `mnasnet-hard`: accuracy times a power of cost / target."""

from __future__ import annotations

import math
from functools import partial

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective

MOST = 2.0  # reached at 1 / 20,000 of the target with the soft exponent
LEAST = 1e-12  # lower limit of cost / target, for a cost of 0


class MnasNet(Objective):
    """ACC (cost / T)^w, with one exponent up to the target T and one above it, in [0, 2].

    Soft (-0.07, -0.07): twice the cost gives a factor of 0.95, on both sides of the target, so
    smaller networks score higher. Hard (0, -1): below the target only accuracy counts.

    Args:
        target: Target T, in the unit of the metric.
        metric: Cost metric: "latency_ms", "params", "macs" or another metric of an evaluation.
        below: Exponent up to the target.
        above: Exponent above it.

    Raises:
        InvalidSettingError: The target is not positive and finite, or an exponent is positive.

    Reference: Tan et al., "MnasNet", CVPR 2019, equations 2 and 3, figure 3.
    """

    bounds = (0.0, MOST)
    failure = 0.0

    def __init__(self, target: float, metric: str, below: float, above: float) -> None:
        if not 0 < target < math.inf:
            raise InvalidSettingError(
                f"Objective setting target must be > 0 and finite, got {target}."
            )
        for name, value in (("below", below), ("above", above)):
            if not -math.inf < value <= 0:
                raise InvalidSettingError(
                    f"Objective setting {name} must be <= 0 and finite, got {value}."
                )
        self.target, self.metric, self.below, self.above = target, metric, below, above

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Accuracy and the cost."""
        return "accuracy", self.metric

    def value(self, evaluation: Evaluation) -> float:
        """Return accuracy times the factor of the cost."""
        accuracy, cost = (float(evaluation.metrics[name]) for name in self.needs)
        exponent = self.below if cost <= self.target else self.above
        return float(accuracy * max(cost / self.target, LEAST) ** exponent)


def _soft(
    target: float = 10_000, metric: str = "params", below: float = -0.07, above: float = -0.07
) -> MnasNet:
    """Return accuracy times a factor that falls slowly with the cost, in [0, 2]."""
    return MnasNet(target, metric, below, above)


def _hard(target: float = 10_000, metric: str = "params") -> MnasNet:
    """Return accuracy, times target / cost above the target cost, in [0, 2]."""
    return MnasNet(target, metric, 0.0, -1.0)


OBJECTIVES.register("mnasnet-soft")(partial(_soft))
OBJECTIVES.register("mnasnet-hard")(partial(_hard))
