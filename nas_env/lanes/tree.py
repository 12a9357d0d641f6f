"""Lanes of "construct" for automata that are trees: the node determines the walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.evaluators import Evaluator
from nas_env.lanes.base import Lanes, Mask, Parts, Start, Step, Story, Turn
from nas_env.lanes.scoring import Budgets
from nas_env.lanes.walks import Finished, WalkArrays, WalkBeginnings, WalkMoves, observe
from nas_env.mdp import Construct, State
from nas_env.spaces import SearchSpace


def tree_walks(space: SearchSpace) -> WalkArrays:
    """Return the walk to each node of a space whose automaton is a tree, one row per node."""
    automaton = space.automaton()
    walks = WalkArrays.empty(automaton.num_states, space)
    nodes = np.zeros(1, dtype=np.int64)
    for position in range(space.max_length):
        rows, decisions = np.nonzero(automaton.next_state[nodes] >= 0)
        parents = nodes[rows]
        nodes = automaton.next_state[parents, decisions].astype(np.int64)
        walks.tokens[nodes] = walks.tokens[parents]
        walks.tokens[nodes, position] = decisions + 1
        if automaton.cost is not None:
            walks.spent[nodes] = walks.spent[parents] + automaton.cost[parents, decisions]
        walks.length[nodes] = walks.steps[nodes] = position + 1
    walks.node[:] = np.arange(automaton.num_states)
    return walks


class Tables(NamedTuple):
    """Look-up tables, indexed by node or by node * actions + action.

    Attributes:
        walks: The walk to each node.
        masks: (nodes, actions) int8, 1 for legal actions.
        decision: (nodes * actions,) the decision taken for an action.
        reached: (nodes * actions,) the node after the action; the start if the walk is complete.
        final: (nodes,) whether the walk is complete.
        restart: (nodes,) the node itself; the start if the walk is complete.
        observations: (nodes, ...) the observation.
    """

    walks: WalkArrays
    masks: NDArray[np.int8]
    decision: NDArray[np.int64]
    reached: NDArray[np.int64]
    final: Mask
    restart: NDArray[np.int64]
    observations: NDArray[Any]


def make_tables(mdp: Construct) -> Tables:
    """Return the look-up tables of an MDP with illegal="project"."""
    automaton, space = mdp.space.automaton(), mdp.space
    walks = tree_walks(space)
    legal = automaton.legal
    if space.max_params is not None and automaton.to_go is not None:
        legal = legal & (automaton.to_go <= space.max_params - walks.spent[:, None])
    nodes, actions = np.arange(automaton.num_states), np.arange(space.num_decisions)
    wanted = actions % np.maximum(legal.sum(axis=1), 1)[:, None] + 1
    ranks = legal.cumsum(axis=1)
    projected = (ranks[:, None, :] >= wanted[:, :, None]).argmax(axis=2)
    decision = np.where(legal, actions, projected)
    reached = automaton.next_state[nodes[:, None], decision].astype(np.int64)
    reached[automaton.final] = 0
    return Tables(
        walks,
        legal.astype(np.int8),
        decision.ravel(),
        reached.ravel(),
        automaton.final,
        np.where(automaton.final, 0, nodes),
        observe(mdp, walks),
    )


class TreeLanes(Lanes):
    """Keeps one number per lane, its node, and looks up everything else.

    If the evaluator has an array path and needs no drawn training seeds, the scores of all walks
    are computed once, when the lanes are created.
    """

    mdp: Construct

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.actions = self.mdp.space.num_decisions
        self.tables = make_tables(self.mdp)
        self.rewards = self._every_score()
        self.node = np.zeros(parts.num, dtype=np.int64)

    def ask(self, evaluator: Evaluator) -> None:
        """Use another evaluator from now on."""
        super().ask(evaluator)
        self.rewards = self._every_score()

    def reset(self, budgets: Budgets, start: Start) -> tuple[NDArray[Any], Turn]:
        """Start an episode in all lanes and return observations and turn."""
        self.mdp.begin(self.parts.rngs[0], start(budgets.of(0)))  # raises if start is invalid
        self.budgets = budgets
        self.node = np.zeros(self.parts.num, dtype=np.int64)
        story = Story(None, self.none, WalkBeginnings(self.mdp), self.all)
        return self._observe(), Turn(lambda: story, self.masks_now())

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Take one action per lane, an array (lanes,)."""
        tables, before, outside = self.tables, self.node, None
        if actions.view(np.uint64).max() >= self.actions:
            actions, outside = self._inside(actions)
        place = before * self.actions
        place += actions
        reached = tables.reached.take(place)
        terminated = tables.final.take(reached)
        budgets, finished = self.budgets, None
        if self.rewards is not None and budgets.special is None:
            rewards = self.rewards.take(reached)
        else:
            finished = self._finish(reached, terminated)
            rewards = np.zeros(len(reached))
            if finished.scores is not None:
                rewards[finished.lanes] = finished.scores
            begun = terminated if self.parts.same_step else tables.final[before]
            self.budgets = budgets.begun(begun)
        self.node = tables.restart.take(reached) if self.parts.same_step else reached

        def tell() -> Story:
            return self._tell(before, place, outside, reached, budgets, finished)

        truncated = np.zeros(len(reached), np.bool_)
        turn = Turn(tell, self.masks_now())
        return Step(self._observe(), rewards, terminated, truncated, turn)

    def masks_now(self) -> Callable[[], NDArray[np.int8]]:
        """Return a function that computes the current mask."""
        node, masks = self.node, self.tables.masks
        return lambda: masks.take(node, axis=0)

    def state(self, lane: int) -> State:
        """Return the state of a lane, without its score."""
        return self.tables.walks.state(int(self.node[lane]))

    def _observe(self) -> NDArray[Any]:
        return self.tables.observations.take(self.node, axis=0)

    def _every_score(self) -> NDArray[np.float64] | None:
        """Return (nodes,) scores of complete walks, else 0; None without an array path."""
        if self.scorer.evaluator.draws:
            return None
        complete = np.flatnonzero(self.tables.final)
        tokens = self.tables.walks.tokens[complete]
        scores = self.scorer.scores(complete, tokens, Budgets(self.parts.budget))
        if scores is None:
            return None
        rewards = np.zeros(len(self.tables.final))
        rewards[complete] = scores
        return rewards

    def _inside(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.int64], Mask]:
        """Return equivalent actions inside the action space, and which actions were outside."""
        outside: Mask = (actions < 0) | (actions >= self.actions)
        legal = self.tables.masks[self.node]
        wanted = actions % np.maximum(legal.sum(axis=1), 1) + 1
        projected = (legal.cumsum(axis=1) >= wanted[:, None]).argmax(axis=1)
        return np.where(outside, projected, actions), outside

    def _walks(self, node: NDArray[np.int64]) -> WalkArrays:
        return WalkArrays(*(rows[node] for rows in self.tables.walks))

    def _finish(
        self,
        reached: NDArray[np.int64],
        terminated: Mask,
        budgets: Budgets | None = None,
        scores: NDArray[np.float64] | None = None,
    ) -> Finished:
        lanes, space = np.flatnonzero(terminated), self.mdp.space
        if scores is not None:
            scores = scores[reached[lanes]]
        walks = self._walks(reached)
        return Finished(lanes, walks, budgets or self.budgets, space, self.scorer, scores)

    def _tell(
        self,
        before: NDArray[np.int64],
        place: NDArray[np.int64],
        outside: Mask | None,
        reached: NDArray[np.int64],
        budgets: Budgets,
        finished: Finished | None,
    ) -> Story:
        """Return the story of a step from its arrays."""
        decision, done = self.tables.decision[place], self.tables.final[reached]
        illegal = decision != place - before * self.actions
        if outside is not None:
            illegal |= outside
        if finished is None:
            finished = self._finish(reached, done, budgets, self.rewards)
        fixed = finished
        moves = WalkMoves(
            self.mdp, fixed.walks, decision, illegal, lambda: fixed, done,
            np.zeros(0), done, self.none,
        )  # fmt: skip
        acted, begun = ~self.tables.final[before], self.tables.final[before]
        if self.parts.same_step:
            acted, begun = self.all, done
        return Story(moves, acted, WalkBeginnings(self.mdp), begun)
