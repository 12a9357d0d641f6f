"""`accuracy-under-cost`: accuracy, worth less above a number of parameters."""

from __future__ import annotations

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("accuracy-under-cost")
class AccuracyUnderCost(Objective):
    """Accuracy times min(1, T / params)^0.07, in [0, 1].

    The soft constraint of MnasNet (Tan et al., CVPR 2019: w = -0.07, there for latency): ten times
    the target costs a factor of 0.85, staying below it gains nothing.

    Args:
        target_params: T, trainable parameters.
        exponent: How much a larger network is worth less.

    Raises:
        InvalidSettingError: A setting is not positive.
    """

    bounds = (0.0, 1.0)
    failure = 0.0
    needs = ("accuracy", "params")

    def __init__(self, target_params: int = 10_000, exponent: float = 0.07) -> None:
        for name, value in (("target_params", target_params), ("exponent", exponent)):
            if not value > 0:
                raise InvalidSettingError(f"Objective setting {name} must be > 0, got {value}.")
        self.target_params = target_params
        self.exponent = exponent

    def value(self, evaluation: Evaluation) -> float:
        """Return accuracy times the cost factor."""
        share = min(1.0, self.target_params / evaluation.metrics["params"])
        return float(evaluation.metrics["accuracy"] * share**self.exponent)
