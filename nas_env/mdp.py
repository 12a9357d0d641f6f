"""The Markov decision process of building a network: pure, torch-free, in two phases.

`advance` never scores anything: it may announce a candidate that needs a score. `settle` turns the
score into a reward. Between the two anybody may batch, cache, defer or send the scoring away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.errors import IllegalDecisionError
from nas_env.observations import OBSERVATIONS
from nas_env.registry import Registry, unknown_name
from nas_env.spaces import SearchSpace, Walk

ILLEGAL_MODES = ("project", "terminate", "stay", "raise")
STAY_PENALTY = 0.01
STAY_LENGTHS = 3  # with illegal="stay", an episode is cut after this many longest walks


class State(NamedTuple):
    """Where an episode stands; a value that can be stored and set again.

    Attributes:
        node: Number of the automaton state.
        walk: Decisions so far.
        spent: Additive cost (parameters) so far, 0 where the space declares none.
        steps: Actions so far; more than decisions where illegal ones were ignored.
        score: Score of the finished network, None before.
    """

    node: int = 0
    walk: Walk = ()
    spent: int = 0
    steps: int = 0
    score: float | None = None


class Move(NamedTuple):
    """What an action led to.

    Attributes:
        state: The state after it.
        decision: The decision that was taken, -1 where none was.
        illegal: Whether the action was not legal.
        pending: The candidate that needs a score before `settle`, or None.
        terminated: Whether the episode is over.
        truncated: Whether the episode is cut off.
    """

    state: State
    decision: int = -1
    illegal: bool = False
    pending: Candidate | None = None
    terminated: bool = False
    truncated: bool = False


class MDP(ABC):
    """States, actions and rewards over a search space; holds no state of its own."""

    action_space: gymnasium.spaces.Discrete
    observation_space: gymnasium.Space[Any]

    @abstractmethod
    def begin(self, rng: np.random.Generator) -> Move:
        """Return the first state of an episode."""

    @abstractmethod
    def mask(self, state: State) -> NDArray[np.int8]:
        """Return (actions,) int8, 1 where the action is legal. Not to be written to."""

    @abstractmethod
    def advance(self, state: State, action: int) -> Move:
        """Return what an action leads to; scores nothing."""

    @abstractmethod
    def settle(self, before: State, move: Move, score: float | None) -> tuple[State, float]:
        """Return the state with its score, and the reward. `score` is None where none was due."""

    @abstractmethod
    def over(self, state: State) -> bool:
        """Return whether an episode that stands here has ended."""

    @abstractmethod
    def observe(self, state: State) -> Any:
        """Return the observation of a state."""


MDPS: Registry[Callable[..., MDP]] = Registry("MDP")


@MDPS.register("construct")
class Construct(MDP):
    """Append one decision after another until the walk is complete.

    The reward is 0 until the walk is complete, then the score.

    Args:
        space: The search space.
        observation: A name in `nas_env.observations.OBSERVATIONS`.
        illegal: What an illegal action does. "project": the decision taken is
            `legal[action % len(legal)]`; "terminate": the episode ends with the failure score;
            "stay": nothing happens but a penalty of 0.01, and the episode is truncated after three
            times the longest walk; "raise": IllegalDecisionError.
        failure: Score of an episode that "terminate" ends.

    Raises:
        UnknownNameError: No such observation or mode.
    """

    def __init__(
        self,
        space: SearchSpace,
        observation: str = "tokens",
        illegal: str = "project",
        failure: float = 0.0,
    ) -> None:
        if illegal not in ILLEGAL_MODES:
            raise unknown_name("mode for illegal actions", illegal, ILLEGAL_MODES)
        self.space = space
        self.illegal = illegal
        self.failure = failure
        self.action_space = gymnasium.spaces.Discrete(space.num_decisions)
        self._observation = OBSERVATIONS.get(observation)(space)
        self.observation_space = self._observation.space
        self._compile()

    def _compile(self) -> None:
        automaton = self.space.automaton()
        self._next: list[list[int]] = automaton.next_state.tolist()
        self._final: list[bool] = automaton.final.tolist()
        self._cost: list[list[int]] | None = None
        if automaton.cost is not None:
            self._cost = automaton.cost.tolist()
        self._choices = [np.flatnonzero(row).tolist() for row in automaton.legal]
        self._masks = automaton.legal.astype(np.int8)
        self._masks.flags.writeable = False
        self._limited = self.space.max_params is not None
        self._max_steps = STAY_LENGTHS * self.space.max_length

    def begin(self, rng: np.random.Generator) -> Move:
        """Return the empty walk."""
        return Move(State())

    def mask(self, state: State) -> NDArray[np.int8]:
        """Return (actions,) int8, 1 where the action is legal; all 0 where the walk is complete."""
        if not self._limited:
            row: NDArray[np.int8] = self._masks[state.node]
            return row
        allowed = self.space.automaton().allowed(state.node, state.spent, self.space.max_params)
        return allowed.astype(np.int8)

    def advance(self, state: State, action: int) -> Move:
        """Return the state with one more decision; announce the candidate of a complete walk."""
        action = int(action)
        if self._legal(state, action):
            return self._append(state, action, illegal=False)
        if self.illegal == "project":
            legal = self._legal_decisions(state)
            return self._append(state, legal[action % len(legal)], illegal=True)
        after = state._replace(steps=state.steps + 1)
        if self.illegal == "terminate":
            return Move(after, illegal=True, terminated=True)
        if self.illegal == "stay":
            return Move(after, illegal=True, truncated=self._cut(after))
        raise IllegalDecisionError(
            f"Action {action} is not legal after the decisions {state.walk}. Legal: "
            f"{', '.join(map(str, self._legal_decisions(state)))}; see info['action_mask']."
        )

    def settle(self, before: State, move: Move, score: float | None) -> tuple[State, float]:
        """Return the score as reward where the walk is complete, else 0 or the penalty."""
        if move.pending is not None and score is not None:
            return move.state._replace(score=score), score
        if move.illegal and move.terminated:
            return move.state._replace(score=self.failure), self.failure
        return move.state, -STAY_PENALTY if move.illegal and move.decision < 0 else 0.0

    def over(self, state: State) -> bool:
        """Return whether the walk is complete, was ended by a failure, or was cut off."""
        return state.score is not None or self._final[state.node] or self._cut(state)

    def observe(self, state: State) -> Any:
        """Return the observation of a state."""
        return self._observation.observe(state)

    def _cut(self, state: State) -> bool:
        return self.illegal == "stay" and state.steps >= self._max_steps

    def _legal(self, state: State, action: int) -> bool:
        if not 0 <= action < self.space.num_decisions or self._next[state.node][action] < 0:
            return False
        return not self._limited or bool(self.mask(state)[action])

    def _legal_decisions(self, state: State) -> list[int]:
        if not self._limited:
            return self._choices[state.node]
        legal: list[int] = np.flatnonzero(self.mask(state)).tolist()
        return legal

    def _append(self, state: State, decision: int, illegal: bool) -> Move:
        node = self._next[state.node][decision]
        spent = state.spent
        if self._cost is not None:
            spent += self._cost[state.node][decision]
        after = State(node, (*state.walk, decision), spent, state.steps + 1)
        done = self._final[node]
        pending = self.space.assemble(after.walk) if done else None
        return Move(after, decision, illegal, pending, done, not done and self._cut(after))

    def __getstate__(self) -> dict[str, Any]:
        compiled = ("_next", "_final", "_cost", "_choices", "_masks")
        return {key: value for key, value in self.__dict__.items() if key not in compiled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()
