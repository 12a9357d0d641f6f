"""Objectives: from an evaluation to a score, higher is better, within finite bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.registry import Registry


class Objective(ABC):
    """Turns what came out of an evaluation into one number.

    Attributes:
        bounds: Least and greatest score, both finite.
        failure: Score of every outcome but "ok"; within the bounds.
    """

    bounds: tuple[float, float]
    failure: float

    @abstractmethod
    def value(self, evaluation: Evaluation) -> float:
        """Return the value of a successful evaluation, which `score` clips to the bounds."""

    def score(self, evaluation: Evaluation) -> float:
        """Return the value within the bounds, or `failure` where the evaluation failed."""
        if not evaluation.ok:
            return self.failure
        return min(max(self.value(evaluation), self.bounds[0]), self.bounds[1])

    def describe(self) -> str:
        """Return a text that is equal for objectives with equal scores."""
        settings = ", ".join(f"{key}={value}" for key, value in sorted(vars(self).items()))
        return f"{type(self).__name__}({settings})"


OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective")


@OBJECTIVES.register("accuracy")
class Accuracy(Objective):
    """Validation accuracy, in [0, 1]."""

    bounds = (0.0, 1.0)
    failure = 0.0

    def value(self, evaluation: Evaluation) -> float:
        """Return the accuracy."""
        return float(evaluation.metrics["accuracy"])


@OBJECTIVES.register("negative-loss")
class NegativeLoss(Objective):
    """The mean validation loss with its sign turned, R = -(1/N) sum L_i.

    Args:
        worst: Loss in nats at which the score is cut off; also the loss of a failure.

    Raises:
        InvalidSettingError: `worst` is not positive.
    """

    def __init__(self, worst: float = 10.0) -> None:
        if not worst > 0:
            raise InvalidSettingError(f"Objective setting worst must be > 0, but is {worst}.")
        self.bounds = (-worst, 0.0)
        self.failure = -worst

    def value(self, evaluation: Evaluation) -> float:
        """Return minus the loss."""
        return -float(evaluation.metrics["loss"])


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

    def __init__(self, target_params: int = 10_000, exponent: float = 0.07) -> None:
        for name, value in (("target_params", target_params), ("exponent", exponent)):
            if not value > 0:
                raise InvalidSettingError(f"Objective setting {name} must be > 0, but is {value}.")
        self.target_params = target_params
        self.exponent = exponent

    def value(self, evaluation: Evaluation) -> float:
        """Return accuracy times the cost factor."""
        share = min(1.0, self.target_params / evaluation.metrics["params"])
        return float(evaluation.metrics["accuracy"] * share**self.exponent)
