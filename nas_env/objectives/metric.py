"""`metric`: the metric of the task, transformed so that higher is better."""

from __future__ import annotations

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective
from nas_env.tasks.base import TaskSpec


@OBJECTIVES.register("metric")
class TaskMetric(Objective):
    """The metric in [0, 1], or 1 - error / baseline error in [-1, 1] if the metric is an error.

    Higher is better for both. For an error, 1 means zero error, and 0 means the error of the best
    constant prediction.
    For the mean squared error this is R^2, with the training split's mean and variance.

    Args:
        metric: Name of the metric.
        baseline_error: Error of the best constant prediction, for a metric that is an error. None
            if higher is better.

    Raises:
        InvalidSettingError: The baseline error is not positive.
    """

    def __init__(self, metric: str = "accuracy", baseline_error: float | None = None) -> None:
        if baseline_error is not None and not baseline_error > 0:
            raise InvalidSettingError(
                f"Objective setting baseline_error must be > 0, got {baseline_error}. Choose "
                "a target whose values differ."
            )
        self.metric, self.baseline_error = metric, baseline_error
        self.needs = (metric,)
        self.bounds = (0.0, 1.0) if baseline_error is None else (-1.0, 1.0)
        self.failure = self.bounds[0]

    @classmethod
    def of(cls, spec: TaskSpec) -> TaskMetric:
        """Return the objective for the metric of a task."""
        return cls(spec.metric, None if spec.higher_is_better else spec.baseline_error)

    def value(self, evaluation: Evaluation) -> float:
        """Return the metric, or the relative decrease from the baseline error."""
        value = float(evaluation.metrics[self.metric])
        return value if self.baseline_error is None else 1.0 - value / self.baseline_error

    def describe(self) -> str:
        """Return a text that is equal for objectives that give equal scores."""
        return f"TaskMetric(baseline_error={self.baseline_error}, metric={self.metric})"
