"""`explained-variance`: the coefficient of determination of a regression task."""

from __future__ import annotations

from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("explained-variance")
class ExplainedVariance(Objective):
    """R^2 on the validation split, clipped to [-1, 1]."""

    bounds = (-1.0, 1.0)
    failure = -1.0
    needs = ("r2",)

    def value(self, evaluation: Evaluation) -> float:
        """Return R^2."""
        return float(evaluation.metrics["r2"])
