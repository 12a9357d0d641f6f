"""Lanes of "construct": all walks in arrays, stepped by look-ups in the compiled automaton."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.evaluation import Evaluation
from nas_env.lanes.base import Mask, Parts, Start, TwoPhaseLanes, scored, stacked, step_info
from nas_env.lanes.scoring import Budgets, Scorer
from nas_env.mdp import Construct, State
from nas_env.mdp.construct import STAY_PENALTY
from nas_env.spaces import SearchSpace, Walk


class WalkArrays(NamedTuple):
    """The states of all lanes as arrays; immutable.

    Attributes:
        node: (lanes,) indices of the automaton states.
        tokens: (lanes, max_length) decisions so far plus one, 0 after the last.
        length: (lanes,) number of decisions so far.
        spent: (lanes,) additive cost so far.
        steps: (lanes,) actions so far.
    """

    node: NDArray[np.intp]
    tokens: NDArray[np.int64]
    length: NDArray[np.intp]
    spent: NDArray[np.int64]
    steps: NDArray[np.intp]

    @classmethod
    def empty(cls, num: int, space: SearchSpace) -> WalkArrays:
        """Return `num` empty walks."""
        numbers = np.zeros((4, num), dtype=np.int64)
        return cls(numbers[0], np.zeros((num, space.max_length), np.int64), *numbers[1:])

    def walk(self, lane: int) -> Walk:
        """Return the decisions of one lane."""
        return tuple((self.tokens[lane, : self.length[lane]] - 1).tolist())

    def state(self, lane: int, score: float | None = None) -> State:
        """Return the state of one lane."""
        numbers = (int(self.node[lane]), self.walk(lane), int(self.spent[lane]))
        return State(*numbers, int(self.steps[lane]), score)


@dataclass
class Finished:
    """The networks that some lanes finished in one step, scored together.

    If the evaluator's array path computed the scores, evaluations are created on demand.

    Args:
        lanes: (finished,) indices of the lanes.
        walks: The states of all lanes.
        budgets: The budgets of all lanes.
        space: The search space.
        scorer: Evaluates and scores.
        scores: (finished,) the scores, or None if they are not known yet.
    """

    lanes: NDArray[np.intp]
    walks: WalkArrays
    budgets: Budgets
    space: SearchSpace
    scorer: Scorer
    scores: NDArray[np.float64] | None = None
    evaluations: dict[int, Evaluation] | None = None

    def __post_init__(self) -> None:
        if self.scores is not None or len(self.lanes) == 0:
            return
        self.scores = self.scorer.scores(self.lanes, self.walks.tokens[self.lanes], self.budgets)
        if self.scores is None:
            evaluations = self.evaluations = self._evaluate(self.lanes.tolist())
            self.scores = np.array([self.scorer.score(evaluations[x]) for x in self.lanes.tolist()])

    def told(self, lane: int) -> dict[str, Any]:
        """Return the entries of an info that describe the lane's network."""
        if self.evaluations is None:
            self.evaluations = self._evaluate(self.lanes.tolist())
        evaluation = self.evaluations[lane]
        return scored(self.scorer.score(evaluation), evaluation, self._candidate(lane))

    def _evaluate(self, lanes: list[int]) -> dict[int, Evaluation]:
        return self.scorer.evaluate(lanes, [self._candidate(x) for x in lanes], self.budgets)

    def _candidate(self, lane: int) -> Candidate:
        return self.space.candidate(self.walks.walk(lane))


@dataclass
class WalkMoves:
    """The results of actions, as arrays."""

    mdp: Construct
    after: WalkArrays
    decision: NDArray[np.intp]
    illegal: Mask
    finished: Callable[[], Finished]
    done: Mask
    rewards: NDArray[np.float64]
    terminated: Mask
    truncated: Mask

    def info(self, lane: int) -> dict[str, Any]:
        """Return the info that `NASEnv.step` would return."""
        evaluation_info = self.finished().told(lane) if self.done[lane] else {}
        mask = self.mdp.mask(self.after.state(lane)).copy()
        return step_info(int(self.decision[lane]), bool(self.illegal[lane]), evaluation_info, mask)

    def observation(self, lane: int) -> Any:
        """Return the observation after the action."""
        return self.mdp.observe(self.after.state(lane))


@dataclass
class WalkBeginnings:
    """The starts of episodes of "construct": all equal."""

    mdp: Construct

    def info(self, lane: int) -> dict[str, Any]:
        """Return the info that `NASEnv.reset` would return."""
        return {"action_mask": self.mdp.mask(State()).copy()}


class WalkLanes(TwoPhaseLanes):
    """Steps all lanes by look-ups in the automaton's arrays; scores finished networks together."""

    mdp: Construct

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        space = self.mdp.space
        self.automaton = space.automaton()
        self.width = space.num_decisions
        self.limit = space.max_params if self.automaton.to_go is not None else None
        self.walks = WalkArrays.empty(parts.num, space)

    def advance(self, actions: NDArray[np.int64], acting: Mask) -> WalkMoves:
        """Take the actions of some lanes."""
        decision, illegal = self._decide(actions, acting)
        decides = decision >= 0
        after = self._walked(decision, decides, acting)
        done = decides & self.automaton.final[after.node]
        finished = Finished(np.flatnonzero(done), after, self.budgets, self.mdp.space, self.scorer)
        rewards, terminated, truncated = np.zeros(len(done)), done.copy(), self.none.copy()
        if finished.scores is not None:
            rewards[finished.lanes] = finished.scores
        if self.mdp.illegal == "terminate":
            rewards[illegal] = self.mdp.failure
            terminated = done | illegal
        elif self.mdp.illegal == "stay":
            rewards[illegal] = -STAY_PENALTY
            truncated = acting & ~done & (after.steps >= self.mdp.max_steps)
        self.walks = after
        return WalkMoves(
            self.mdp, after, decision, illegal, lambda: finished, done,
            rewards, terminated, truncated,
        )  # fmt: skip

    def begin(self, lanes: Mask, start: Start) -> WalkBeginnings:
        """Start with the empty walk in some lanes."""
        first = int(np.flatnonzero(lanes)[0])
        self.mdp.begin(self.parts.rngs[first], start(self.budgets.of(first)))  # may raise
        keep = (~lanes).astype(np.int64)
        node, tokens, length, spent, steps = self.walks
        self.walks = WalkArrays(
            node * keep, tokens * keep[:, None], length * keep, spent * keep, steps * keep
        )
        return WalkBeginnings(self.mdp)

    def observe(self) -> NDArray[Any]:
        """Return the observations of all lanes."""
        return observe(self.mdp, self.walks)

    def masks_now(self) -> Callable[[], NDArray[np.int8]]:
        """Return a function that computes the current mask."""
        node, spent = self.walks.node, self.walks.spent
        return lambda: self._allowed(node, spent).astype(np.int8)

    def state(self, lane: int) -> State:
        """Return the state of a lane, without its score."""
        return self.walks.state(lane)

    def _allowed(self, node: NDArray[np.intp], spent: NDArray[np.int64]) -> Mask:
        """Return a bool array (n, actions), as `Automaton.allowed`."""
        allowed: Mask = self.automaton.next_state[node] >= 0
        if self.limit is not None and self.automaton.to_go is not None:
            allowed &= self.automaton.to_go[node] <= self.limit - spent[:, None]
        return allowed

    def _decide(self, actions: NDArray[np.int64], acting: Mask) -> tuple[NDArray[np.int64], Mask]:
        """Return (lanes,) decisions, -1 for none, and (lanes,) whether the action was illegal."""
        now = self.walks
        inside = (actions >= 0) & (actions < self.width)
        decision = np.where(inside, actions, 0)
        legal = inside & (self.automaton.next_state[now.node, decision] >= 0)
        if self.limit is not None and self.automaton.to_go is not None:
            legal &= self.automaton.to_go[now.node, decision] <= self.limit - now.spent
        illegal = acting & ~legal
        decision = np.where(acting & legal, decision, -1)
        if illegal.any():
            lanes = np.flatnonzero(illegal)
            if self.mdp.illegal == "raise":
                self._refuse(int(lanes[0]), actions)
            if self.mdp.illegal == "project":
                decision[lanes] = self._projected(lanes, actions)
        return decision, illegal

    def _projected(self, lanes: NDArray[np.intp], actions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return `legal[action % len(legal)]` for some lanes."""
        allowed = self._allowed(self.walks.node[lanes], self.walks.spent[lanes])
        counts = allowed.sum(axis=1)
        if not counts.all():
            self._refuse(int(lanes[counts == 0][0]), actions)
        wanted = actions[lanes] % counts + 1
        decision: NDArray[np.int64] = (allowed.cumsum(axis=1) >= wanted[:, None]).argmax(axis=1)
        return decision

    def _refuse(self, lane: int, actions: NDArray[np.int64]) -> None:
        """Raise the MDP's error for an illegal action, with the index of the lane as a note."""
        try:
            self.mdp.advance(self.state(lane), int(actions[lane]))
        except Exception as error:
            error.add_note(f"Lane {lane} of {self.parts.num}; no lane was stepped.")
            raise

    def _walked(self, decision: NDArray[np.int64], decides: Mask, acting: Mask) -> WalkArrays:
        """Return the states of the lanes after their decisions."""
        now, tokens = self.walks, self.walks.tokens.copy()
        lanes = np.flatnonzero(decides)
        tokens[lanes, now.length[lanes]] = decision[lanes] + 1
        node = np.where(decides, self.automaton.next_state[now.node, decision], now.node)
        spent = now.spent
        if self.automaton.cost is not None:
            spent = spent + np.where(decides, self.automaton.cost[now.node, decision], 0)
        return WalkArrays(node, tokens, now.length + decides, spent, now.steps + acting)


def observe(mdp: Construct, walks: WalkArrays) -> NDArray[Any]:
    """Return the observations of many walks, one row per walk."""
    observations: NDArray[Any] | None = mdp.observation.observe_walks(walks)
    if observations is not None:
        return observations
    states = [walks.state(row) for row in range(len(walks.node))]
    return stacked(mdp, states)
