"""A Markov decision process over a search space: pure, torch-free, in two phases.

`advance` never scores anything: it may announce a candidate that needs a score. `settle` turns the
score into a reward. Between the two anybody may batch, cache, defer or send the scoring away.
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
    """What an action led to.

    Attributes:
        state: The state after it.
        decision: The action that was taken, -1 where none was.
        illegal: Whether the action was not legal.
        pending: The candidate that needs a score before `settle`, or None.
        terminated: Whether the episode is over.
        truncated: Whether the episode is cut off.
    """

    state: Any
    decision: int = -1
    illegal: bool = False
    pending: Candidate | None = None
    terminated: bool = False
    truncated: bool = False


class MDP(ABC):
    """States, actions and rewards over a search space; holds no state of its own.

    Args:
        space: The search space.
        observation: A name in `observations`.
        illegal: What an illegal action does. "project": the action taken is
            `legal[action % len(legal)]`; "terminate": the episode ends with the failure score;
            "stay": nothing happens but a penalty; "raise": IllegalDecisionError.
        failure: Score of an episode that "terminate" ends.

    Attributes:
        observations: The observations that this process offers, by name.
        default_observation: The observation where none is named.
        default_illegal: The mode where none is named.
        state_type: Class of its states.

    Raises:
        UnknownNameError: No such observation or mode.
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
        """Return the first state of an episode; its network may need a score.

        Args:
            rng: Source of everything random in the episode.
            start: A walk to begin from, or None for the process's own beginning.

        Raises:
            InvalidSettingError: The process cannot begin from this walk.
        """

    @abstractmethod
    def mask(self, state: Any) -> NDArray[np.int8]:
        """Return (actions,) int8, 1 where the action is legal. Not to be written to."""

    @abstractmethod
    def take(self, state: Any, action: int, illegal: bool) -> Move:
        """Return what a legal action leads to; `illegal` says that it stands in for another."""

    @abstractmethod
    def settle(
        self, before: Any, move: Move, score: float | None, evaluation: Evaluation | None = None
    ) -> tuple[Any, float]:
        """Return the state with its score, and the reward.

        Args:
            before: The state before the action.
            move: What `advance` returned.
            score: Score of the pending candidate, None where none was due.
            evaluation: What came out of it.
        """

    @abstractmethod
    def over(self, state: Any) -> bool:
        """Return whether an episode that stands here has ended."""

    @abstractmethod
    def observe(self, state: Any) -> Any:
        """Return the observation of a state."""

    def satisfied(self, state: Any) -> bool:
        """Return whether the score of a state ends the episode."""
        return False

    def label(self, action: int) -> str:
        """Return a short text for an action."""
        return self.space.options()[action].label

    def reward_bounds(self, low: float, high: float) -> tuple[float, float]:
        """Return the least and greatest reward for scores in [low, high]."""
        return min(low, 0.0), max(high, 0.0)

    def advance(self, state: Any, action: int) -> Move:
        """Return what an action leads to; scores nothing.

        Raises:
            IllegalDecisionError: The action is not legal and the mode is "raise".
        """
        action = int(action)
        if self.is_legal(state, action):
            return self.take(state, action, illegal=False)
        if self.illegal == "project":
            legal = self.legal(state)
            if not legal:
                raise IllegalDecisionError(f"Nothing is legal after {state.walk}. Begin anew.")
            return self.take(state, legal[action % len(legal)], illegal=True)
        after = state._replace(steps=state.steps + 1)
        if self.illegal == "terminate":
            return Move(after, illegal=True, terminated=True)
        if self.illegal == "stay":
            return Move(after, illegal=True, truncated=self.cut(after))
        raise IllegalDecisionError(
            f"Action {action} is not legal after the decisions {state.walk}. Legal: "
            f"{', '.join(map(str, self.legal(state)))}; see info['action_mask']."
        )

    def is_legal(self, state: Any, action: int) -> bool:
        """Return whether an action, in range or not, is legal."""
        return 0 <= action < int(self.action_space.n) and bool(self.mask(state)[action])

    def legal(self, state: Any) -> list[int]:
        """Return the legal actions, ascending."""
        legal: list[int] = np.flatnonzero(self.mask(state)).tolist()
        return legal

    @abstractmethod
    def cut(self, state: Any) -> bool:
        """Return whether an episode is cut off after so many steps."""


MDPS: Registry[Callable[..., MDP]] = Registry("MDP", package="nas_env.mdp")
