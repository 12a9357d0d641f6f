"""`accuracy-under-cost`: accuracy with a penalty above a number of parameters."""

from __future__ import annotations

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("accuracy-under-cost")
class AccuracyUnderCost(Objective):
    """Accuracy times min(1, T / params)^0.07, in [0, 1].

    The soft constraint of MnasNet (Tan et al., CVPR 2019: w = -0.07, for latency in
    the paper): ten times the target gives a factor of 0.85, below the target the factor is 1.

    Args:
        target_params: Target T, a number of trainable parameters.
        exponent: Exponent of the penalty.

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
