"""`reward`: the reward column of a table."""

from __future__ import annotations

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("reward")
class Reward(Objective):
    """The metric "reward" of the evaluator `tabular`; the accuracy for other evaluators.

    Args:
        least: Lower bound, also the score of a failure.
        greatest: Upper bound.

    Raises:
        InvalidSettingError: The lower bound is not below the upper bound.
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
