"""`wrong-needs`: an objective on R^2 that does not say so."""

from __future__ import annotations

from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("wrong-needs")
class WrongNeeds(Objective):
    """R^2, with `needs` left empty."""

    bounds = (-1.0, 1.0)
    failure = -1.0

    def value(self, evaluation: Evaluation) -> float:
        """Return R^2."""
        return float(evaluation.metrics["r2"])
