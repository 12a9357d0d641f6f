"""`reward`: the column of a table that its evaluator rewards."""

from __future__ import annotations

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("reward")
class Reward(Objective):
    """The metric "reward", which the evaluator `tabular` gives; elsewhere the accuracy.

    Args:
        least: Lower bound, also the score of a failure.
        greatest: Upper bound.

    Raises:
        InvalidSettingError: The bounds are not in order.
    """

    def __init__(self, least: float = 0.0, greatest: float = 1.0) -> None:
        if not least < greatest:
            raise InvalidSettingError(
                f"Objective bounds must be least < greatest, got {least} and {greatest}."
            )
        self.bounds = (least, greatest)
        self.failure = least

    def value(self, evaluation: Evaluation) -> float:
        """Return the reward, or the accuracy.

        Raises:
            IncompatibleError: The evaluation has neither.
        """
        for name in ("reward", "accuracy"):
            if name in evaluation.metrics:
                return float(evaluation.metrics[name])
        raise IncompatibleError(
            "Objective Reward needs reward or accuracy, but the evaluation has "
            f"{', '.join(sorted(evaluation.metrics)) or 'no metrics'}. Use objective='metric', the "
            "metric of the task."
        )
