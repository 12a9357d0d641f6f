"""`cubed-accuracy`: the cube of the accuracy."""

from __future__ import annotations

from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("cubed-accuracy")
class CubedAccuracy(Objective):
    """Cube of the validation accuracy, in [0, 1].

    It increases the differences between good networks: from accuracy 0.90 to 0.95 it rises by
    0.13. It does not change the ranking of networks.

    Reference: Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017,
    section 4.1. The paper uses the highest accuracy of the last five epochs; this objective uses
    that of the last epoch.
    """

    bounds = (0.0, 1.0)
    failure = 0.0
    needs = ("accuracy",)

    def value(self, evaluation: Evaluation) -> float:
        """Return the cube of the accuracy."""
        return float(evaluation.metrics["accuracy"] ** 3)
