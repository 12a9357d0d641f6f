"""Tree search (UCT) over the walks of a space; values come from the model.

Reference: Kocsis and Szepesvári, "Bandit based Monte-Carlo Planning", ECML 2006.
"""

from __future__ import annotations

from math import log, sqrt
from typing import NamedTuple

import numpy as np

from nas_env.spaces import SearchSpace, Walk
from nas_env_agents.imagination.paths import Paths, Step
from nas_env_agents.imagination.planner import PLANNERS, Dream, Planner

ROLLOUTS, BATCH = 512, 32
EXPLORATION = 0.5


class Node:
    """A prefix of a walk: its legal steps in random order, with their statistics.

    Attributes:
        steps: The steps.
        children: Node of each step, or None if it does not exist yet.
        visits: Rollouts through each step, pending ones included.
        sums: Sum of the returned values.
        ended: Number of returned values.
        total: Rollouts through this node.
    """

    __slots__ = ("children", "ended", "steps", "sums", "total", "visits")

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        count = len(steps)
        self.children: list[Node | None] = [None] * count
        self.visits, self.ended, self.sums = [0] * count, [0] * count, [0.0] * count
        self.total = 0

    def best(self, low: float, width: float) -> int:
        """Return the step with the highest upper confidence bound; untried steps come first.

        Pending rollouts count with the lowest value, so that others explore elsewhere.
        """
        chosen, highest = 0, -1.0
        scale = EXPLORATION * sqrt(log(self.total + 1))
        for index, visits in enumerate(self.visits):
            if not visits:
                return index
            value = (self.sums[index] - self.ended[index] * low) / (width * visits)
            bound = value + scale / sqrt(visits)
            if bound > highest:
                chosen, highest = index, bound
        return chosen


class Rollout(NamedTuple):
    """A complete walk and the edges of the tree on its path."""

    walk: Walk
    edges: list[tuple[Node, int]]


@PLANNERS.register("tree")
class TreeSearch(Planner):
    """A fresh tree for every decision: 512 rollouts in batches of 32, completed at random.

    The value of an edge is the mean of its returned values, scaled to [0, 1] by the lowest and
    highest so far. A walk that was evaluated before returns the lowest value so far (0 before any).
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self.paths = Paths(space)

    def imagine(self, dream: Dream, rng: np.random.Generator) -> None:
        """Imagine walks in batches, guided by the values of earlier batches."""
        root = self._node(0, 0, rng)
        for _ in range(ROLLOUTS // BATCH):
            low, width = dream.scale
            rollouts = [self._roll_out(root, low, width, rng) for _ in range(BATCH)]
            values = dream.values([rollout.walk for rollout in rollouts])
            for rollout, value in zip(rollouts, values, strict=True):
                for node, index in rollout.edges:
                    node.sums[index] += value
                    node.ended[index] += 1

    def _node(self, state: int, spent: int, rng: np.random.Generator) -> Node:
        steps = self.paths.steps(state, spent)
        return Node([steps[index] for index in rng.permutation(len(steps))])

    def _roll_out(self, root: Node, low: float, width: float, rng: np.random.Generator) -> Rollout:
        """Descend the tree, add one node, and complete the walk at random."""
        node, edges, walk = root, [], []
        state = spent = 0
        final = self.paths.final
        while not final[state]:
            index = node.best(low, width)
            decision, state, spent = node.steps[index]
            node.visits[index] += 1
            node.total += 1
            edges.append((node, index))
            walk.append(decision)
            child = node.children[index]
            if child is None:
                if not final[state]:
                    node.children[index] = self._node(state, spent, rng)
                break
            node = child
        return Rollout((*walk, *self._finish(state, spent, rng)), edges)

    def _finish(self, state: int, spent: int, rng: np.random.Generator) -> list[int]:
        """Return random decisions that complete a walk."""
        rest: list[int] = []
        while not self.paths.final[state]:
            steps = self.paths.steps(state, spent)
            decision, state, spent = steps[int(rng.random() * len(steps))]
            rest.append(decision)
        return rest
