"""`accuracy`: the fraction of validation samples that are classified correctly."""

from __future__ import annotations

from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("accuracy")
class Accuracy(Objective):
    """Validation accuracy, in [0, 1]."""

    bounds = (0.0, 1.0)
    failure = 0.0
    needs = ("accuracy",)

    def value(self, evaluation: Evaluation) -> float:
        """Return the accuracy."""
        return float(evaluation.metrics["accuracy"])
