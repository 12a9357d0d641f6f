"""Base class of agents that propose whole walks instead of one decision at a time."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Container
from functools import cached_property
from math import isfinite
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from nas_env.env import NASEnv
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.mdp import Edit
from nas_env.reward_wrappers import EvaluatedReward
from nas_env.spaces import SearchSpace, Walk
from nas_env_agents.common.callbacks import after_step
from nas_env_agents.common.environments import reward_wrapper
from nas_env_agents.common.episodic import EpisodicAgent, random_legal

DRAWS = 100  # random walks to find a new one, before the remaining walks are listed
LISTED = 20_000  # the largest space whose walks are listed


class WalkAgent(EpisodicAgent):
    """Proposes a walk, plays it in the environment and receives its score.

    With mdp="construct" the walk is played step by step; with mdp="edit" an episode starts from it.
    The score is the network's own, which the wrappers of `nas_env.reward_wrappers` do not change.

    Raises:
        IncompatibleError: The environment is not one of nas_env, or a wrapper changes its rewards.
    """

    observation = "tokens"

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int = 0) -> None:
        super().__init__(env, seed)
        inner: Any = env.unwrapped
        name = type(self).__name__
        if not isinstance(inner, NASEnv):
            raise IncompatibleError(
                f"Agent {name} searches a space of networks, and {type(inner).__name__} has none. "
                "Give an environment of nas_env, such as gymnasium.make('NAS-v0')."
            )
        if (wrapper := reward_wrapper(env, but=(EvaluatedReward,))) is not None:
            raise IncompatibleError(
                f"Agent {name} maximises the environment's objective, which the wrapper {wrapper} "
                "does not change. Remove the wrapper, or set objective=."
            )
        self.space: SearchSpace = inner.space
        self.edits = isinstance(inner.mdp, Edit)
        self.best: Walk = ()
        self.best_score = -np.inf
        self.evaluation: Evaluation | None = None  # behind the score passed to `tell`

    @abstractmethod
    def propose(self) -> Walk | None:
        """Return the next walk to evaluate; None for the start of an editing environment."""

    @abstractmethod
    def tell(self, walk: Walk, score: float) -> None:
        """Learn the score of a proposed walk."""

    @cached_property
    def num_walks(self) -> int:
        """Number of walks; in spaces of at most 20,000, those within the parameter limit."""
        every = self.space.automaton().walks[0]
        return self.space.size() if every <= LISTED else every

    def fresh(self, excluded: Container[Walk]) -> Walk:
        """Return a random walk, drawn decision by decision, that is not in `excluded`.

        It returns an excluded walk only if no other exists, or if 100 draws find no other in a
        space of more than 20,000 walks.
        """
        for _ in range(DRAWS):
            walk = self.space.sample(self.rng)
            if walk not in excluded:
                return walk
        return self.unknown(excluded) or walk

    def unknown(self, excluded: Container[Walk]) -> Walk | None:
        """Return a random walk that is not in `excluded`; None if the space is too large."""
        if self.num_walks > LISTED:
            return None
        remaining = [walk for walk in self.space.enumerate() if walk not in excluded]
        return remaining[int(self.rng.integers(len(remaining)))] if remaining else None

    def receive(self, walk: Walk, score: float) -> None:
        """Keep the walk if it is the best so far, and learn its score.

        Raises:
            InvalidSettingError: The score is not finite.
        """
        check_score(walk, score)
        self.keep(walk, score)
        self.tell(walk, score)

    def spaces(self) -> dict[str, str]:
        """Return a description of the space; the observation does not matter."""
        options = hashlib.sha256(repr(self.space.options()).encode()).hexdigest()[:8]
        decisions, longest = self.space.num_decisions, self.space.max_length
        return {"space": f"{decisions} decisions ({options}), walks of at most {longest}"}

    def options(self) -> dict[str, Any]:
        """Return the reset options of the episode that plays the proposed walk."""
        return {}

    def keep(self, walk: Walk, score: float) -> None:
        """Keep the walk if it is the best so far."""
        if score > self.best_score:
            self.best, self.best_score = walk, score

    def followed(self) -> Walk:
        """Return the walk that `predict` follows; () before the first evaluation."""
        return self.best

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return the next decision of the followed walk, or a random one off its path."""
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
            if position and not after_step(callbacks, done=False):
                return False
            self.env.step(decision)
            self.num_timesteps += 1
        self.num_timesteps += self.edits
        state: Any = self.env.unwrapped.state  # type: ignore[attr-defined]
        walk, score = state.walk, float(state.score)
        self.evaluation = self.env.unwrapped.evaluation  # type: ignore[attr-defined]
        self.receive(walk, score)
        return after_step(callbacks, done=True, reward=score)


def check_score(walk: Walk, score: float) -> None:
    """Check that a score can be compared.

    Raises:
        InvalidSettingError: It is not finite.
    """
    if not isfinite(score):
        raise InvalidSettingError(
            f"A score must be finite, but that of {walk} is {score}. Let the objective return a "
            "finite number for every evaluation, failures included."
        )
