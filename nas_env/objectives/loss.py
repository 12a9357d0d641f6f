"""`negative-loss`: the negative mean validation loss."""

from __future__ import annotations

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("negative-loss")
class NegativeLoss(Objective):
    """The negative mean validation loss, R = -(1/N) sum L_i.

    Args:
        worst: Maximum loss in nats, at which the score is clipped; also the loss of a failure.

    Raises:
        InvalidSettingError: `worst` is not positive.
    """

    needs = ("loss",)

    def __init__(self, worst: float = 10.0) -> None:
        if not worst > 0:
            raise InvalidSettingError(f"Objective setting worst must be > 0, got {worst}.")
        self.bounds = (-worst, 0.0)
        self.failure = -worst

    def value(self, evaluation: Evaluation) -> float:
        """Return the negative loss."""
        return -float(evaluation.metrics["loss"])
