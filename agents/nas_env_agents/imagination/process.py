"""A Gaussian process over walks: posterior and fit.

Reference: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006: algorithm 2.1
for the posterior, equation 5.9 for the gradient of the marginal likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from nas_env_agents.common.adam import Adam
from nas_env_agents.imagination.kernel import Inputs, Kernel
from nas_env_agents.imagination.targets import Numbers

NOISE, NOISE_SPREAD = 0.1, 0.7  # variance of the noise before any data, and sd of its logarithm
LEAST_NOISE = 1e-6  # keeps matrices invertible
LEARNING_RATE, BETAS = 0.05, (0.9, 0.99)


class Data(NamedTuple):
    """Observations.

    Attributes:
        inputs: n walks.
        targets: (n,) their values; the mean of repeated evaluations.
        counts: (n,) number of evaluations of each; divides the noise variance.
    """

    inputs: Inputs
    targets: Numbers
    counts: Numbers


@dataclass(frozen=True)
class Posterior:
    """The posterior over values of walks, given data and parameters.

    Attributes:
        kernel: The kernel between walks.
        vector: Parameters of the kernel and, last, the logarithm of the noise variance.
        data: The observations.
        inverse_factor: (n, n) inverse of the covariance's Cholesky factor.
    """

    kernel: Kernel
    vector: Numbers
    data: Data
    inverse_factor: Numbers

    @classmethod
    def of(cls, kernel: Kernel, vector: Numbers, data: Data) -> Self:
        """Return the posterior after the data."""
        gram = kernel.gram(vector, data.inputs, data.inputs)
        gram[np.diag_indices_from(gram)] = 1.0 + noise(vector) / data.counts
        return cls(kernel, vector, data, np.tril(np.linalg.inv(np.linalg.cholesky(gram))))

    @cached_property
    def weights(self) -> Numbers:
        """(n,) the inverse of the covariance times the targets."""
        return np.asarray(self.inverse_factor.T @ (self.inverse_factor @ self.data.targets))

    def predict(self, inputs: Inputs) -> tuple[Numbers, Numbers]:
        """Return (m,) means and standard deviations of the values of m walks, without noise."""
        similarity = self.kernel.gram(self.vector, self.data.inputs, inputs)  # (n, m)
        explained = ((self.inverse_factor @ similarity) ** 2).sum(axis=0)
        spread = np.sqrt(np.maximum(1.0 - explained, 0.0))
        return self.weights @ similarity, spread

    def extended(self, inputs: Inputs, targets: Numbers | None = None) -> Self:
        """Return the posterior after one more walk, by adding one row to the factor.

        Args:
            inputs: One walk.
            targets: (1,) its value; None for its predicted mean.
        """
        if targets is None:
            targets = self.predict(inputs)[0]
        similarity = self.kernel.gram(self.vector, self.data.inputs, inputs)[:, 0]
        row = self.inverse_factor @ similarity
        own = np.sqrt(1.0 + noise(self.vector) - row @ row)
        size = len(row)
        factor = np.zeros((size + 1, size + 1))
        factor[:size, :size] = self.inverse_factor
        factor[size, :size] = -row @ self.inverse_factor / own
        factor[size, size] = 1.0 / own
        data = Data(
            self.data.inputs + inputs,
            np.concatenate([self.data.targets, targets]),
            np.append(self.data.counts, 1.0),
        )
        return replace(self, data=data, inverse_factor=factor)


class GaussianProcess:
    """The parameters of a kernel and of the noise, fitted by type-II maximum a posteriori.

    Args:
        kernel: The kernel between walks.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        means, spreads = kernel.prior()
        self.prior_means = np.append(means, np.log(NOISE))
        self.prior_spreads = np.append(spreads, NOISE_SPREAD)
        self.vector = self.prior_means.copy()
        self.adam = Adam(len(self.vector), LEARNING_RATE, BETAS)

    def fit(self, data: Data, steps: int) -> None:
        """Take steps up the posterior density of the parameters, from their present values."""
        for _ in range(steps):
            self.vector = self.vector + self.adam.step(self.gradient(data))

    def objective(self, data: Data) -> float:
        """Return log marginal likelihood plus log prior density, up to a constant."""
        posterior = Posterior.of(self.kernel, self.vector, data)
        fit = -0.5 * data.targets @ posterior.weights
        volume = np.log(np.diag(posterior.inverse_factor)).sum()
        away = (self.vector - self.prior_means) / self.prior_spreads
        return float(fit + volume - 0.5 * away @ away)

    def gradient(self, data: Data) -> Numbers:
        """Return the gradient of the objective by the parameters."""
        posterior = Posterior.of(self.kernel, self.vector, data)
        factor, weights = posterior.inverse_factor, posterior.weights
        outer = 0.5 * (np.outer(weights, weights) - factor.T @ factor)
        by_kernel = self.kernel.gradient(self.vector, data.inputs, outer)
        by_noise = np.exp(self.vector[-1]) * (np.diag(outer) / data.counts).sum()
        away = (self.vector - self.prior_means) / self.prior_spreads**2
        return np.asarray(np.append(by_kernel, by_noise) - away)

    def posterior(self, data: Data) -> Posterior:
        """Return the posterior after the data."""
        return Posterior.of(self.kernel, self.vector, data)


def noise(vector: Numbers) -> float:
    """Return the noise variance of a vector of parameters."""
    return float(np.exp(vector[-1])) + LEAST_NOISE
