"""The common part of agents that propose whole walks instead of one decision after another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from agents.episodic import EpisodicAgent, random_legal
from nas_env.evaluation import Evaluation
from nas_env.mdp import Edit
from nas_env.spaces import SearchSpace, Walk

DRAWS = 100  # random walks in search of a new one


class WalkAgent(EpisodicAgent):
    """Proposes a walk, plays it through the environment, is told its score.

    In an environment that appends decisions the walk is played step by step; in one that edits, an
    episode is begun from it.
    """

    observation = "tokens"

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        super().__init__(env, seed)
        inner: Any = env.unwrapped
        self.space: SearchSpace = inner.space
        self.edits = isinstance(inner.mdp, Edit)
        self.best: Walk = ()
        self.best_score = -np.inf
        self.evaluation: Evaluation | None = None  # what the score that is told was made of

    @abstractmethod
    def propose(self) -> Walk | None:
        """Return the next walk to evaluate; None: where an environment that edits begins."""

    @abstractmethod
    def tell(self, walk: Walk, score: float) -> None:
        """Learn the score of a proposed walk."""

    def fresh(self, known: Container[Walk]) -> Walk:
        """Return a random walk, drawn decision by decision; a known one only where none is new."""
        for _ in range(DRAWS):
            walk = self.space.sample(self.rng)
            if walk not in known:
                break
        return walk

    def options(self) -> dict[str, Any]:
        """Return the reset options of the episode that plays the proposed walk."""
        return {}

    def keep(self, walk: Walk, score: float) -> None:
        """Remember the walk where it is the best so far."""
        if score > self.best_score:
            self.best, self.best_score = walk, score

    def followed(self) -> Walk:
        """Return the walk that `predict` follows; () before anything was evaluated."""
        return self.best

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return the next decision of the walk it follows; where that is left, a random one."""
        state: Any = self.env.unwrapped.state  # type: ignore[attr-defined]
        done, followed = len(state.walk), self.followed()
        if self.edits or state.walk != followed[:done] or done == len(followed):
            return random_legal(self.rng, mask)
        return followed[done]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the best walk and its score."""
        return {"best": np.array(self.best, np.int64), "best_score": np.array(self.best_score)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        self.best = tuple(int(decision) for decision in arrays["best"])
        self.best_score = float(arrays["best_score"])

    def _episode(self, callbacks: BaseCallback) -> bool:
        walk = self.propose()
        options = self.options()
        if self.edits and walk is not None:
            options["start"] = walk
        self.env.reset(seed=None if self._seeded else self.seed, options=options or None)
        self._seeded = True
        for position, decision in enumerate(() if self.edits else walk or ()):
            if position and not callbacks.on_step():
                return False
            self.env.step(decision)
            self.num_timesteps += 1
        self.num_timesteps += self.edits
        state: Any = self.env.unwrapped.state  # type: ignore[attr-defined]
        walk, score = state.walk, float(state.score)
        self.evaluation = self.env.unwrapped.evaluation  # type: ignore[attr-defined]
        self.keep(walk, score)
        self.tell(walk, score)
        return callbacks.on_step()
