"""`reinforce`: the factorised policy of the NAS-Bench-201 paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.policy_gradient import Episode, PolicyGradient


@AGENTS.register("reinforce")
class Reinforce(PolicyGradient):
    """One row of logits for each step of an episode: the decisions are independent of each other.

    Illegal actions have no probability. Such a policy sees nothing of the state but its step.

    Reference: Dong and Yang, "NAS-Bench-201", ICLR 2020. Their script has learning rate 0.01,
    moving average 0.9, accuracy in percent (`reward_scale` 100), advantages as they are, no
    entropy, and logits that begin at a thousandth of N(0, 1). There the average takes the present
    return in before it is subtracted, which scales every advantage by the same factor, from 0.47 in
    the second episode to 0.9, whatever the return.

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
    """Return chances and their logarithms, row by row; both are 0 where illegal."""
    logits = np.where(masks, logits, -np.inf)
    logits = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(logits)
    sums = weights.sum(axis=1, keepdims=True)
    return weights / sums, np.where(masks, logits, 0.0) - np.log(sums) * masks
