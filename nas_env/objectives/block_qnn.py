"""`block-qnn`: accuracy minus weighted logarithms of operations and density."""

from __future__ import annotations

import math

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.objectives.base import OBJECTIVES, Objective


@OBJECTIVES.register("block-qnn")
class BlockQNN(Objective):
    """ACC - mu log10(MACs) - rho log10(density), in [-1, 1].

    Density is the number of edges divided by the number of layers: 1 for a chain, higher if layers
    have several inputs.

    Args:
        mu: Penalty in accuracy for ten times the operations.
        rho: Penalty in accuracy for ten times the density.

    Raises:
        InvalidSettingError: A weight is negative or not finite.

    Reference: Zhong et al., "Practical Block-wise Neural Network Architecture Generation", CVPR
    2018. The base of the logarithms and the weights are choices of this package: those of the paper
    could not be verified, and other implementations differ (0.5 and 0.5; 1 and 8).
    """

    bounds = (-1.0, 1.0)
    failure = -1.0
    needs = ("accuracy", "macs", "density")

    def __init__(self, mu: float = 0.02, rho: float = 0.1) -> None:
        for name, value in (("mu", mu), ("rho", rho)):
            if not 0 <= value < math.inf:
                raise InvalidSettingError(
                    f"Objective setting {name} must be >= 0 and finite, got {value}."
                )
        self.mu, self.rho = mu, rho

    def value(self, evaluation: Evaluation) -> float:
        """Return accuracy minus both penalties, which are 0 without operations or edges."""
        metrics = evaluation.metrics
        price = self.mu * _log(metrics["macs"]) + self.rho * _log(metrics["density"])
        return float(metrics["accuracy"] - price)


def _log(value: float) -> float:
    return math.log10(max(float(value), 1.0))
