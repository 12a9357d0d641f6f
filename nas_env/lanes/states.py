"""Lanes of any MDP, stepped one by one and scored together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.evaluation import Evaluation
from nas_env.lanes.base import Mask, Parts, Start, TwoPhaseLanes, scored, stacked, step_info
from nas_env.mdp import MDP, BaseState, Move


@dataclass
class StateMoves:
    """The results of actions: a move and a state for each lane that acted."""

    mdp: MDP
    moves: Mapping[int, Move]
    after: list[Any]
    evaluations: Mapping[int, Evaluation]
    scores: Mapping[int, float]
    rewards: NDArray[np.float64]
    terminated: Mask
    truncated: Mask

    def info(self, lane: int) -> dict[str, Any]:
        """Return the info that `NASEnv.step` would return."""
        move = self.moves[lane]
        evaluation_info = _scored(lane, move, self.scores, self.evaluations)
        mask = self.mdp.mask(self.after[lane]).copy()
        return step_info(move.decision, move.illegal, evaluation_info, mask)

    def observation(self, lane: int) -> Any:
        """Return the observation after the action."""
        return self.mdp.observe(self.after[lane])


@dataclass
class StateBeginnings:
    """The starts of episodes: a move and a state for each of some lanes."""

    mdp: MDP
    moves: Mapping[int, Move]
    after: list[Any]
    evaluations: Mapping[int, Evaluation]
    scores: Mapping[int, float]

    def info(self, lane: int) -> dict[str, Any]:
        """Return the info that `NASEnv.reset` would return."""
        evaluation_info = _scored(lane, self.moves[lane], self.scores, self.evaluations)
        return {**evaluation_info, "action_mask": self.mdp.mask(self.after[lane]).copy()}


class StateLanes(TwoPhaseLanes):
    """Keeps one state per lane; steps the MDP lane by lane and calls the evaluator once for all.

    It is no faster than the same number of single environments, except that the evaluator can use
    the batch.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.states: list[Any] = [None] * parts.num

    def advance(self, actions: NDArray[np.int64], acting: Mask) -> StateMoves:
        """Take the actions of some lanes."""
        lanes = np.flatnonzero(acting).tolist()
        chosen = actions.tolist()
        moves = {lane: self.mdp.advance(self.states[lane], chosen[lane]) for lane in lanes}
        evaluations, scores = self._score(moves)
        after, num = list(self.states), self.parts.num
        result = StateMoves(
            self.mdp, moves, after, evaluations, scores,
            np.zeros(num), np.zeros(num, np.bool_), np.zeros(num, np.bool_),
        )  # fmt: skip
        for lane, move in moves.items():
            after[lane], result.rewards[lane] = self.mdp.settle(
                self.states[lane], move, scores.get(lane), evaluations.get(lane)
            )
            ended = move.terminated or self.mdp.satisfied(after[lane])
            result.terminated[lane] = ended
            result.truncated[lane] = move.truncated and not ended
        self.states = after
        return result

    def begin(self, lanes: Mask, start: Start) -> StateBeginnings:
        """Start an episode in some lanes."""
        rngs, budgets = self.parts.rngs, self.budgets
        moves = {
            lane: self.mdp.begin(rngs[lane], start(budgets.of(lane)))
            for lane in np.flatnonzero(lanes).tolist()
        }
        evaluations, scores = self._score(moves)
        after = list(self.states)
        for lane, move in moves.items():
            after[lane] = move.state
            if move.pending is not None:
                after[lane], _ = self.mdp.settle(move.state, move, scores[lane], evaluations[lane])
        self.states = after
        return StateBeginnings(self.mdp, moves, after, evaluations, scores)

    def observe(self) -> NDArray[Any]:
        """Return the observations of all lanes."""
        return stacked(self.mdp, self.states)

    def masks_now(self) -> Callable[[], NDArray[np.int8]]:
        """Return a function that computes the current mask."""
        states = self.states
        return lambda: np.array([self.mdp.mask(state) for state in states], dtype=np.int8)

    def state(self, lane: int) -> BaseState:
        """Return the state of a lane."""
        state: BaseState = self.states[lane]
        return state

    def _score(self, moves: Mapping[int, Move]) -> tuple[dict[int, Evaluation], dict[int, float]]:
        pending = {lane: x.pending for lane, x in moves.items() if x.pending is not None}
        by_lane = self.scorer.evaluate(list(pending), list(pending.values()), self.budgets)
        return by_lane, {
            lane: self.scorer.score(evaluation) for lane, evaluation in by_lane.items()
        }


def _scored(
    lane: int, move: Move, scores: Mapping[int, float], evaluations: Mapping[int, Evaluation]
) -> dict[str, Any]:
    if move.pending is None:
        return {}
    return scored(scores[lane], evaluations[lane], move.pending)
