"""`cubed-accuracy`: the accuracy to the third power."""

from __future__ import annotations

from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("cubed-accuracy")
class CubedAccuracy(Objective):
    """Validation accuracy to the third power, in [0, 1].

    It spreads good networks: from 0.90 to 0.95 it rises by 0.13. The order of networks stays.

    Reference: Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017,
    section 4.1. There it is the highest accuracy of the last five epochs; here that of the last.
    """

    bounds = (0.0, 1.0)
    failure = 0.0
    needs = ("accuracy",)

    def value(self, evaluation: Evaluation) -> float:
        """Return the accuracy to the third power."""
        return float(evaluation.metrics["accuracy"] ** 3)
