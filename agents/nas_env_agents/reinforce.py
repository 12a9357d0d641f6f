"""`reinforce`: the factorised policy of the NAS-Bench-201 paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.policy_gradient import Episode, PolicyGradient


@AGENTS.register("reinforce")
class Reinforce(PolicyGradient):
    """A row of logits for each step of an episode: decisions are drawn independently.

    Illegal actions get probability 0. The policy sees only the number of the step.

    Reference: Dong and Yang, "NAS-Bench-201", ICLR 2020. Their script has learning rate 0.01,
    moving average 0.9, accuracy in percent (`reward_scale` 100), no normalisation of advantages,
    no entropy term, and logits drawn from N(0, 0.001^2). Their moving average includes the current
    return when it is subtracted. This multiplies each advantage by a factor that depends only on
    the number of the episode: 0.47 in the second one, rising to 0.9.

    See `PolicyGradient` for the arguments.
    """

    def initial(self) -> NDArray[np.float64]:
        """Return (steps * actions,) logits close to zero."""
        return 1e-3 * self.rng.standard_normal(self.max_steps * self.num_actions)

    def logits(self, step: int) -> NDArray[Any]:
        """Return the row of a step."""
        return self.parameters[step * self.num_actions : (step + 1) * self.num_actions]

    def gradient(self, batch: list[Episode]) -> NDArray[np.float64]:
        """Return the gradient of the mean of advantage times log-probability, plus entropy."""
        total = np.zeros((self.max_steps, self.num_actions))
        for masks, actions, advantage in batch:
            length = len(actions)
            chances, logs = _softmax(self.parameters[: masks.size].reshape(masks.shape), masks)
            total[np.arange(length), actions] += advantage
            total[:length] -= advantage * chances
            if self.entropy:
                entropies = -(chances * logs).sum(axis=1, keepdims=True)
                total[:length] -= self.entropy / length * chances * (logs + entropies)
        return total.ravel() / len(batch)


def _softmax(
    logits: NDArray[Any], masks: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return probabilities and their logarithms by row; both are 0 for illegal actions."""
    logits = np.where(masks, logits, -np.inf)
    logits = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(logits)
    sums = weights.sum(axis=1, keepdims=True)
    return weights / sums, np.where(masks, logits, 0.0) - np.log(sums) * masks
