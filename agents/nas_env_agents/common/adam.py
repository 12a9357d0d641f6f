"""Adam in numpy, for agents whose parameters are one vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-8


class Adam:
    """Adam over one vector, for gradient ascent.

    Reference: Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.

    Args:
        size: Length of the vector.
        learning_rate: The step size.
        betas: Decay of the moving averages of the gradient and of its square.
    """

    def __init__(
        self, size: int, learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        self.learning_rate, self.betas, self.updates = learning_rate, betas, 0
        self.moments = np.zeros((2, size))

    def step(self, gradient: NDArray[Any]) -> NDArray[np.float64]:
        """Return the update of the parameters."""
        self.updates += 1
        for moment, beta, power in zip(self.moments, self.betas, (1, 2), strict=True):
            moment *= beta
            moment += (1 - beta) * gradient**power
        first, second = (
            moment / (1 - beta**self.updates)
            for moment, beta in zip(self.moments, self.betas, strict=True)
        )
        change: NDArray[np.float64] = self.learning_rate * first / (np.sqrt(second) + EPSILON)
        return change
