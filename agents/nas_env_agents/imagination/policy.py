"""An autoregressive policy trained by REINFORCE on imagined episodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas_env.spaces import SearchSpace, Walk
from nas_env_agents.imagination.planner import PLANNERS, Dream, Planner
from nas_env_agents.imagination.targets import Numbers

ROUNDS, EPISODES = 4, 128
LEARNING_RATE = 1.0
MEMORY = 0.9  # factor of the parameters from one real decision to the next


@PLANNERS.register("policy")
class ImaginedPolicy(Planner):
    """Four rounds of 128 imagined episodes, one gradient step after each.

    The logits at a position are the position's own plus one row for each earlier decision. The
    advantage of an episode is a weight by logarithmic rank within the best quarter, minus the mean
    weight. Walks that were evaluated before rank last. From one real decision to the next, all
    parameters are multiplied by 0.9.

    Attributes:
        own: (positions, decisions) logits of each position.
        after: (positions, positions, decisions, decisions): [s, t, a] are added to the logits at t
            if a was decided at s < t.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        positions, decisions = space.max_length, space.num_decisions
        self.own = np.zeros((positions, decisions))
        self.after = np.zeros((positions, positions, decisions, decisions))

    def imagine(self, dream: Dream, rng: np.random.Generator) -> None:
        """Imagine episodes and learn from each round of them."""
        self.own *= MEMORY
        self.after *= MEMORY
        for _ in range(ROUNDS):
            decisions, slopes = self._sample(rng)
            walks: list[Walk] = [tuple(row[row >= 0].tolist()) for row in decisions]
            values = np.array(dream.values(walks))
            values[[walk in dream.seen for walk in walks]] = -np.inf
            self._learn(decisions, slopes, advantages(values))

    def arrays(self) -> dict[str, Numbers]:
        """Return the parameters."""
        return {"own": self.own, "after": self.after}

    def restore(self, arrays: dict[str, Numbers]) -> None:
        """Take back the parameters."""
        self.own, self.after = arrays["own"], arrays["after"]

    def _sample(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], Numbers]:
        """Return decisions and the gradients of their log-probability by the logits.

        Both (episodes, positions, ...); -1 and 0 after the end of a walk.
        """
        automaton, limit = self.space.automaton(), self.space.max_params
        state, spent = np.zeros(EPISODES, np.int64), np.zeros(EPISODES, np.int64)
        decisions = np.full((EPISODES, self.space.max_length), -1, dtype=np.int64)
        slopes = np.zeros((*decisions.shape, self.space.num_decisions))
        for position in range(self.space.max_length):
            going = np.flatnonzero(~automaton.final[state])
            here = state[going]
            legal = automaton.next_state[here] >= 0
            if limit is not None and automaton.to_go is not None:
                legal &= automaton.to_go[here] <= limit - spent[going, None]
            chances = masked_softmax(self._logits(decisions[going], position), legal)
            drawn = rng.random((len(going), 1)) * chances.sum(axis=1, keepdims=True)
            chosen = (chances.cumsum(axis=1) <= drawn).sum(axis=1)
            chosen = np.minimum(chosen, chances.shape[1] - 1 - legal[:, ::-1].argmax(axis=1))
            decisions[going, position] = chosen
            slopes[going, position] = -chances
            slopes[going, position, chosen] += 1.0
            if automaton.cost is not None:
                spent[going] += automaton.cost[here, chosen]
            state[going] = automaton.next_state[here, chosen]
        return decisions, slopes

    def _logits(self, decisions: NDArray[np.int64], position: int) -> Numbers:
        """Return (episodes, decisions) logits after the decisions before a position."""
        logits = np.repeat(self.own[position][None], len(decisions), axis=0)
        for before in range(position):
            logits += self.after[before, position, decisions[:, before]]
        return logits

    def _learn(self, decisions: NDArray[np.int64], slopes: Numbers, advantage: Numbers) -> None:
        """Go one step along the gradient of the mean of advantage times log-probability."""
        slopes = LEARNING_RATE * advantage[:, None, None] * slopes
        self.own += slopes.sum(axis=0)
        for position in range(1, self.space.max_length):
            going = decisions[:, position] >= 0
            for before in range(position):
                rows = decisions[going, before]
                np.add.at(self.after[before, position], rows, slopes[going, position])


def advantages(values: Numbers) -> Numbers:
    """Return the weights of episodes by rank; they sum to 0.

    max(0, ln(n / 4 + 1/2) - ln(rank)) of each of n, divided by the sum, minus 1 / n.
    """
    count = len(values)
    rank = np.empty(count)
    rank[np.argsort(-values, kind="stable")] = np.arange(1, count + 1)
    weights = np.maximum(0.0, np.log(count / 4 + 0.5) - np.log(rank))
    return np.asarray(weights / weights.sum() - 1.0 / count)


def masked_softmax(logits: Numbers, legal: NDArray[np.bool_]) -> Numbers:
    """Return probabilities by row; 0 for illegal decisions."""
    logits = np.where(legal, logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
