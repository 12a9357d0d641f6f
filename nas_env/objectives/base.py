"""The interface of an objective."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from nas_env.errors import IncompatibleError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.registry import Registry


class Objective(ABC):
    """Maps an evaluation to a score.

    Attributes:
        bounds: Lowest and highest score, both finite.
        failure: Score of every outcome except "ok" and "pending"; within the bounds.
        needs: Required metrics; tables that lack one raise an error.
    """

    bounds: tuple[float, float]
    failure: float
    needs: tuple[str, ...] = ()

    @abstractmethod
    def value(self, evaluation: Evaluation) -> float:
        """Return the value of a successful evaluation, which `score` clips to the bounds."""

    def score(self, evaluation: Evaluation) -> float:
        """Return the value clipped to the bounds, or `failure` if the evaluation failed.

        The score of a pending evaluation is NaN, which makes a missing `settle` obvious.

        Raises:
            IncompatibleError: The evaluation lacks a required metric.
        """
        if evaluation.outcome is Outcome.PENDING:
            return math.nan
        if not evaluation.ok:
            return self.failure
        lacking = [name for name in self.needs if name not in evaluation.metrics]
        if lacking:
            raise IncompatibleError(
                f"Objective {type(self).__name__} needs {' and '.join(lacking)}, but the "
                f"evaluation has {', '.join(sorted(evaluation.metrics)) or 'no metrics'}. Choose "
                "another objective, or an evaluator that measures it."
            )
        return min(max(self.value(evaluation), self.bounds[0]), self.bounds[1])

    def describe(self) -> str:
        """Return a text that is equal for objectives that give equal scores."""
        settings = ", ".join(f"{key}={value}" for key, value in sorted(vars(self).items()))
        return f"{type(self).__name__}({settings})"


OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective", package="nas_env.objectives")
