"""`weighted-sum`: a weighted sum of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective

WEIGHTS = {"accuracy": 1.0, "params": -1e-6}


@OBJECTIVES.register("weighted-sum")
class WeightedSum(Objective):
    """The sum of weight times metric, clipped to the bounds.

    Args:
        weights: Weight of each metric, negative if lower is better. None: accuracy minus 0.01 per
            10,000 parameters.
        least: Lower bound, also the score of a failure.
        greatest: Upper bound.

    Raises:
        InvalidSettingError: There are no weights, one is not finite, or the bounds are not in
            order.

    Example:
        >>> from nas_env.objectives import OBJECTIVES
        >>> OBJECTIVES.get("weighted-sum")({"accuracy": 1.0, "latency_ms": -0.01}).needs
        ('accuracy', 'latency_ms')
    """

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        least: float = -1.0,
        greatest: float = 1.0,
    ) -> None:
        self.weights = dict(WEIGHTS if weights is None else weights)
        if not self.weights or not all(math.isfinite(x) for x in self.weights.values()):
            raise InvalidSettingError(
                f"Objective setting weights must hold finite numbers, got {self.weights}."
            )
        if not -math.inf < least < greatest < math.inf:
            raise InvalidSettingError(
                f"Objective bounds must be least < greatest, got {least} and {greatest}."
            )
        self.bounds, self.failure, self.needs = (least, greatest), least, tuple(self.weights)

    def value(self, evaluation: Evaluation) -> float:
        """Return the weighted sum."""
        metrics = evaluation.metrics
        return float(sum(weight * metrics[name] for name, weight in self.weights.items()))
