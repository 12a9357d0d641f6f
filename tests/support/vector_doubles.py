"""A space whose automaton is a tree, and an evaluator with an array path, small enough to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Evaluator
from nas_env.objectives import Objective
from nas_env.spaces import SearchSpace, Walk
from nas_env.spaces.base import Choice, Option


class Prefixes(SearchSpace):
    """`length` decisions of `width` options; the state is the walk, so the automaton is a tree.

    Args:
        width: Number of options.
        length: Number of decisions.
        gaps: Whether option 1 may not follow option 0, and option 2 ends a walk early.
        max_params: Limit on parameters; option k costs k + 1.
    """

    name, modality = "prefixes", "image"
    distinct = additive_cost = True
    feature_names = ("depth",)

    def __init__(
        self, width: int = 5, length: int = 6, gaps: bool = False, max_params: int | None = None
    ) -> None:
        self.num_decisions, self.max_length, self.gaps = width, length, gaps
        self.max_params = max_params
        self._options = tuple(Option(f"option {x}") for x in range(width))

    def start(self) -> Walk:
        return ()

    def choice(self, state: Any) -> Choice | None:
        if len(state) == self.max_length or (self.gaps and state and state[-1] == 2):
            return None
        legal = [x for x in range(self.num_decisions) if not self._gap(state, x)]
        return Choice(f"position {len(state)}", tuple(legal), self._options)

    def _gap(self, state: Any, decision: int) -> bool:
        return self.gaps and bool(state) and (state[-1], decision) == (0, 1)

    def follow(self, state: Any, decision: int) -> Walk:
        return (*state, decision)

    def cost(self, state: Any, decision: int) -> int:
        return decision + 1

    def features(self, state: Any) -> tuple[float, ...]:
        return (len(state) / self.max_length,)

    def partial(self, walk: Walk) -> Architecture:
        return Architecture(tuple(Layer.of("conv", channels=x + 1, kernel=3) for x in walk))

    def assemble(self, walk: Walk) -> Candidate:
        return Candidate(self.partial(walk), walk=walk)


class Counted(Evaluator):
    """Accuracy from the decisions, the epochs and the training seed; counts its calls.

    Args:
        arrays: Whether it has an array path.
        draws: Whether it asks for drawn training seeds.
    """

    fingerprint = "counted"
    free = True

    def __init__(self, arrays: bool = True, draws: bool = False) -> None:
        self.arrays, self.draws = arrays, draws
        self.batches: list[int] = []

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        self.batches.append(len(candidates))
        return [self._one(np.array(x.walk), budget) for x in candidates]

    def _one(self, walk: NDArray[np.int64], budget: Budget) -> Evaluation:
        tokens = np.zeros((1, 64), dtype=np.int64)
        tokens[0, : len(walk)] = walk + 1
        accuracy = float(accuracies(tokens, budget.epochs, np.array([budget.training_seed]))[0])
        if accuracy < 0.1:
            return Evaluation(Outcome.CRASHED, message="too poor")
        return Evaluation(Outcome.OK, {"accuracy": accuracy, "loss": 1 - accuracy, "params": 3})

    def scores(
        self,
        tokens: NDArray[np.int64],
        objective: Objective,
        budget: Budget,
        training_seeds: NDArray[np.int64],
    ) -> NDArray[np.float64] | None:
        if not self.arrays:
            return None
        wide = np.zeros((len(tokens), 64), dtype=np.int64)
        wide[:, : tokens.shape[1]] = tokens
        found = accuracies(wide, budget.epochs, training_seeds)
        return np.where(found < 0.1, objective.failure, found)


def accuracies(
    tokens: NDArray[np.int64], epochs: int, seeds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (n,) made-up accuracies in [0, 1)."""
    mixed = tokens @ np.arange(3, 67) ** 2 + 7 * epochs + 13 * (seeds % 1009)
    return np.asarray(mixed % 101 / 101)
