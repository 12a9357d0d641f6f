"""`construct`: append one decision after another until the walk is complete."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation
from nas_env.mdp.base import MDP, MDPS, Move
from nas_env.observations import OBSERVATIONS
from nas_env.spaces import SearchSpace, Walk
from nas_env.states import State

STAY_PENALTY = 0.01
STAY_LENGTHS = 3  # with illegal="stay", truncate after this multiple of the longest walk


@MDPS.register("construct")
class Construct(MDP):
    """Append one decision after another until the walk is complete.

    The reward is 0 until the walk is complete, then the score.

    Args:
        space: The search space.
        observation: A name in `nas_env.observations.OBSERVATIONS`; by default "tokens".
        illegal: See `MDP`; by default "project". With "stay" an illegal action has reward -0.01,
            and the episode is truncated after three times the length of the longest walk.
        failure: Score of an episode that "terminate" ends.

    Raises:
        UnknownNameError: The observation or the mode does not exist.
    """

    observations = OBSERVATIONS
    state_type = State

    def __init__(
        self,
        space: SearchSpace,
        observation: str | None = None,
        illegal: str | None = None,
        failure: float = 0.0,
    ) -> None:
        super().__init__(space, observation, illegal, failure)
        self.action_space = gymnasium.spaces.Discrete(space.num_decisions)
        self._compile()

    def _compile(self) -> None:
        automaton = self.space.automaton()
        self._next: list[list[int]] = automaton.next_state.tolist()
        self._final: list[bool] = automaton.final.tolist()
        self._cost: list[list[int]] | None = None
        if automaton.cost is not None:
            self._cost = automaton.cost.tolist()
        self._choices: dict[int, list[int]] = {}  # legal decisions by node, computed on demand
        self._masks = automaton.legal.astype(np.int8)
        self._masks.flags.writeable = False
        self._limited = self.space.max_params is not None
        self.max_steps = STAY_LENGTHS * self.space.max_length

    def begin(self, rng: np.random.Generator, start: Walk | None = None) -> Move:
        """Return the empty walk.

        Raises:
            InvalidSettingError: A start is given; this MDP always starts with the empty walk.
        """
        if start is not None:
            raise InvalidSettingError(
                f"The MDP 'construct' starts with the empty network, got start={start!r}. Omit "
                "start, or use mdp='edit'."
            )
        return Move(State())

    def mask(self, state: State) -> NDArray[np.int8]:
        """Return an int8 array (actions,), 1 for legal actions; all 0 if the walk is complete."""
        if not self._limited:
            row: NDArray[np.int8] = self._masks[state.node]
            return row
        allowed = self.space.automaton().allowed(state.node, state.spent, self.space.max_params)
        return allowed.astype(np.int8)

    def settle(
        self, before: State, move: Move, score: float | None, evaluation: Evaluation | None = None
    ) -> tuple[State, float]:
        """Return the score as the reward if the walk is complete, else 0 or the penalty."""
        if move.pending is not None and score is not None:
            return move.state._replace(score=score), score
        if move.illegal and move.terminated:
            return move.state._replace(score=self.failure), self.failure
        return move.state, -STAY_PENALTY if move.illegal and move.decision < 0 else 0.0

    def over(self, state: State) -> bool:
        """Whether the walk is complete, ended by a failure, or truncated."""
        return state.score is not None or self._final[state.node] or self.cut(state)

    def observe(self, state: State) -> Any:
        """Return the observation of a state."""
        return self.observation.observe(state)

    def cut(self, state: State) -> bool:
        """Whether illegal actions have used up the steps of the episode."""
        return self.illegal == "stay" and state.steps >= self.max_steps

    def is_legal(self, state: State, action: int) -> bool:
        """Whether an action is legal; actions out of range are not."""
        if not 0 <= action < self.space.num_decisions or self._next[state.node][action] < 0:
            return False
        return not self._limited or bool(self.mask(state)[action])

    def legal(self, state: State) -> list[int]:
        """Return the legal actions in ascending order."""
        if self._limited:
            return super().legal(state)
        actions = self._choices.get(state.node)
        if actions is None:
            actions = self._choices[state.node] = super().legal(state)
        return actions

    def take(self, state: State, action: int, illegal: bool) -> Move:
        """Append a decision; the candidate of a complete walk is pending."""
        node = self._next[state.node][action]
        spent = state.spent
        if self._cost is not None:
            spent += self._cost[state.node][action]
        after = State(node, (*state.walk, action), spent, state.steps + 1)
        done = self._final[node]
        pending = self.space.candidate(after.walk) if done else None
        return Move(after, action, illegal, pending, done, not done and self.cut(after))

    def __getstate__(self) -> dict[str, Any]:
        compiled = ("_next", "_final", "_cost", "_choices", "_masks")
        return {key: value for key, value in self.__dict__.items() if key not in compiled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._compile()
