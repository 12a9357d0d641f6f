"""`metric`: the metric of the task, whatever it is and whichever way is better."""

from __future__ import annotations

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective
from nas_env.tasks.base import TaskSpec


@OBJECTIVES.register("metric")
class TaskMetric(Objective):
    """The metric itself, in [0, 1]; of an error, 1 - error / guess, in [-1, 1].

    So higher is better for both: 1 is an error of nothing, 0 that of the best constant guess. Of
    the mean squared error it is R^2, with the training split's mean and variance.

    Args:
        metric: Name of the metric.
        guess: Of an error, what the best constant guess has; None: higher is better.

    Raises:
        InvalidSettingError: The guess is not positive.
    """

    def __init__(self, metric: str = "accuracy", guess: float | None = None) -> None:
        if guess is not None and not guess > 0:
            raise InvalidSettingError(
                f"Objective setting guess must be > 0, but is {guess}. Targets that are all equal "
                "leave nothing to learn."
            )
        self.metric, self.guess = metric, guess
        self.needs = (metric,)
        self.bounds = (0.0, 1.0) if guess is None else (-1.0, 1.0)
        self.failure = self.bounds[0]

    @classmethod
    def of(cls, spec: TaskSpec) -> TaskMetric:
        """Return the objective for the metric of a task."""
        return cls(spec.metric, None if spec.higher_is_better else spec.guess)

    def value(self, evaluation: Evaluation) -> float:
        """Return the metric, or how much of the guess's error is gone."""
        value = float(evaluation.metrics[self.metric])
        return value if self.guess is None else 1.0 - value / self.guess

    def describe(self) -> str:
        """Return a text that is equal for objectives with equal scores."""
        return f"TaskMetric(guess={self.guess}, metric={self.metric})"
