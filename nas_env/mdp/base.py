"""Base class of Markov decision processes over a search space; without state and without torch.

A step has two phases. `advance` applies the action; it may return a pending candidate, but scores
nothing. `settle` turns the score into a reward. Between the two phases the caller can batch, cache,
defer or distribute the scoring.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.errors import IllegalDecisionError
from nas_env.evaluation import Evaluation
from nas_env.registry import Registry, unknown_name
from nas_env.spaces import SearchSpace, Walk

ILLEGAL_MODES = ("project", "terminate", "stay", "raise")


class Move(NamedTuple):
    """The result of an action.

    Attributes:
        state: The state after the action.
        decision: The action that was taken, -1 if none was.
        illegal: Whether the action was illegal.
        pending: The candidate that needs a score before `settle`, or None.
        terminated: Whether the episode is over.
        truncated: Whether the episode is truncated.
    """

    state: Any
    decision: int = -1
    illegal: bool = False
    pending: Candidate | None = None
    terminated: bool = False
    truncated: bool = False


class MDP(ABC):
    """States, actions and rewards over a search space; the episode's state is kept outside.

    Args:
        space: The search space.
        observation: A name in `observations`.
        illegal: Effect of an illegal action. "project": `legal[action % len(legal)]` is taken
            instead; "terminate": the episode ends with the failure score; "stay": the state stays
            the same, possibly with a penalty; "raise": raises IllegalDecisionError.
        failure: Score of an episode that "terminate" ends.

    Attributes:
        observations: Registry of the observations of this MDP.
        default_observation: Name of the default observation.
        default_illegal: Default mode for illegal actions.
        state_type: Class of the states.

    Raises:
        UnknownNameError: The observation or the mode does not exist.
    """

    observations: ClassVar[Registry[Any]]
    default_observation: ClassVar[str] = "tokens"
    default_illegal: ClassVar[str] = "project"
    state_type: ClassVar[type]
    action_space: gymnasium.spaces.Discrete
    observation_space: gymnasium.Space[Any]

    def __init__(
        self, space: SearchSpace, observation: str | None, illegal: str | None, failure: float
    ) -> None:
        self.space = space
        self.observation = self.observations.get(observation or self.default_observation)(space)
        self.observation_space = self.observation.space
        self.illegal = illegal if illegal is not None else self.default_illegal
        self.failure = failure
        if self.illegal not in ILLEGAL_MODES:
            raise unknown_name("mode for illegal actions", illegal, ILLEGAL_MODES)

    @abstractmethod
    def begin(self, rng: np.random.Generator, start: Walk | None = None) -> Move:
        """Return the initial state of an episode; its network may need a score.

        Args:
            rng: Random generator of the episode.
            start: The initial walk, or None for the default of the MDP.

        Raises:
            InvalidSettingError: The MDP cannot start from this walk.
        """

    @abstractmethod
    def mask(self, state: Any) -> NDArray[np.int8]:
        """Return an int8 array (actions,), 1 for legal actions. Do not modify it."""

    @abstractmethod
    def take(self, state: Any, action: int, illegal: bool) -> Move:
        """Apply a legal action; `illegal` is True if it replaces an illegal one."""

    @abstractmethod
    def settle(
        self, before: Any, move: Move, score: float | None, evaluation: Evaluation | None = None
    ) -> tuple[Any, float]:
        """Return the state with its score, and the reward.

        Args:
            before: The state before the action.
            move: What `advance` returned.
            score: Score of the pending candidate, or None if there was none.
            evaluation: Evaluation of the pending candidate.
        """

    @abstractmethod
    def over(self, state: Any) -> bool:
        """Whether the episode has ended in this state."""

    @abstractmethod
    def observe(self, state: Any) -> Any:
        """Return the observation of a state."""

    def satisfied(self, state: Any) -> bool:
        """Whether the score of a state ends the episode."""
        return False

    def label(self, action: int) -> str:
        """Return a short description of an action."""
        return self.space.options()[action].label

    def reward_bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return the minimum and maximum reward for scores in [low, high]."""
        return min(low, 0.0), max(high, 0.0)

    def advance(self, state: Any, action: int) -> Move:
        """Apply an action, without scoring.

        Raises:
            IllegalDecisionError: The action is illegal and the mode is "raise".
        """
        action = int(action)
        if self.is_legal(state, action):
            return self.take(state, action, illegal=False)
        if self.illegal == "project":
            legal = self.legal(state)
            if not legal:
                raise IllegalDecisionError(f"No action is legal after {state.walk}. Call reset().")
            return self.take(state, legal[action % len(legal)], illegal=True)
        after = state._replace(steps=state.steps + 1)
        if self.illegal == "terminate":
            return Move(after, illegal=True, terminated=True)
        if self.illegal == "stay":
            return Move(after, illegal=True, truncated=self.cut(after))
        raise IllegalDecisionError(
            f"Action {action} is not legal after the decisions {state.walk}. Legal actions: "
            f"{', '.join(map(str, self.legal(state)))}; see info['action_mask']."
        )

    def is_legal(self, state: Any, action: int) -> bool:
        """Whether an action is legal; actions out of range are not."""
        return 0 <= action < int(self.action_space.n) and bool(self.mask(state)[action])

    def legal(self, state: Any) -> list[int]:
        """Return the legal actions in ascending order."""
        legal: list[int] = np.flatnonzero(self.mask(state)).tolist()
        return legal

    @abstractmethod
    def cut(self, state: Any) -> bool:
        """Whether the episode is truncated in this state, because of its number of steps."""


MDPS: Registry[Callable[..., MDP]] = Registry("MDP", package="nas_env.mdp")
