"""Acquisition functions: the value of evaluating a walk, given its predicted distribution."""

from __future__ import annotations

import math

import numpy as np

from nas_env_agents.imagination.targets import Numbers

TAIL = -25.0  # below it, expected improvement is taken from its expansion
LEAST_SPREAD = 1e-9


def upper_confidence_bound(mean: Numbers, spread: Numbers, optimism: float) -> Numbers:
    """Return mean + optimism * spread, (n,)."""
    return np.asarray(mean + optimism * spread)


def log_expected_improvement(mean: Numbers, spread: Numbers, incumbent: float) -> Numbers:
    """Return the logarithm of the expected gain over an incumbent, (n,); finite everywhere.

    Reference: Jones, Schonlau, Welch, "Efficient Global Optimization of Expensive Black-Box
    Functions", 1998, equation 15. Far below the incumbent, where density and distribution function
    cancel, the first terms of the expansion: density / u^2 (1 - 3 / u^2 + 15 / u^4).
    """
    spread = np.maximum(spread, LEAST_SPREAD)
    u = (mean - incumbent) / spread
    log_density = -0.5 * u**2 - 0.5 * math.log(2 * math.pi)
    near = np.maximum(u, TAIL)
    reach = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in near.tolist()])
    gain = np.maximum(np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi) + near * reach, 1e-300)
    far = np.maximum(-u, -TAIL)
    tail = log_density - 2 * np.log(far) + np.log1p(-3 / far**2 + 15 / far**4)
    return np.asarray(np.log(spread) + np.where(u < TAIL, tail, np.log(gain)))
