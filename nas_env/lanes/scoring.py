"""The budget of each lane, and the scoring of all finished lanes in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators import Evaluator
from nas_env.objectives import Objective


class Budgets(NamedTuple):
    """The budgets of the lanes' episodes; immutable.

    Attributes:
        base: The base budget of all lanes.
        seeds: (lanes,) training seeds if the evaluator needs drawn ones, else None.
        special: (lanes,) whether the episode was started with the reset option "fidelity"; None if
            no lane was.
        fidelity: The epochs of those lanes.
    """

    base: Budget
    seeds: NDArray[np.int64] | None = None
    special: NDArray[np.bool_] | None = None
    fidelity: int | None = None

    def of(self, lane: int) -> Budget:
        """Return the budget of one lane."""
        budget = self.base
        if self.seeds is not None:
            budget = replace(budget, training_seed=int(self.seeds[lane]))
        if self.fidelity is not None and self.special is not None and self.special[lane]:
            budget = budget.at_fidelity(self.fidelity)
        return budget

    def begun(self, lanes: NDArray[np.bool_]) -> Budgets:
        """Return the budgets after some lanes started an episode without options."""
        if self.special is None:
            return self
        special = self.special & ~lanes
        return self._replace(special=special if special.any() else None)


class Scorer:
    """Evaluates and scores the finished networks of many lanes.

    Args:
        evaluator: The evaluator.
        objective: The objective.
    """

    def __init__(self, evaluator: Evaluator, objective: Objective) -> None:
        self.evaluator = evaluator
        self.objective = objective

    def evaluate(
        self, lanes: Sequence[int], candidates: Sequence[Candidate], budgets: Budgets
    ) -> dict[int, Evaluation]:
        """Return the evaluation of each lane's candidate, with one call per distinct budget."""
        groups: dict[Budget, list[tuple[int, Candidate]]] = {}
        for lane, candidate in zip(lanes, candidates, strict=True):
            groups.setdefault(budgets.of(lane), []).append((lane, candidate))
        by_lane: dict[int, Evaluation] = {}
        for budget, members in groups.items():
            answers = self.evaluator.evaluate([candidate for _, candidate in members], budget)
            by_lane.update(zip([lane for lane, _ in members], answers, strict=True))
        return by_lane

    def score(self, evaluation: Evaluation) -> float:
        """Return the objective's score."""
        return self.objective.score(evaluation)

    def scores(
        self, lanes: NDArray[np.intp], tokens: NDArray[np.int64], budgets: Budgets
    ) -> NDArray[np.float64] | None:
        """Return the scores of complete walks by the evaluator's array path, or None without one.

        Args:
            lanes: (n,) indices of the lanes.
            tokens: (n, max_length) walks of the lanes.
            budgets: The budgets of all lanes.
        """
        if budgets.special is None or budgets.fidelity is None:
            return self._ask(lanes, tokens, budgets, budgets.base)
        scores = np.zeros(len(lanes))
        special = budgets.special[lanes]
        other = budgets.base.at_fidelity(budgets.fidelity)
        for members, budget in ((~special, budgets.base), (special, other)):
            if not members.any():
                continue
            part = self._ask(lanes[members], tokens[members], budgets, budget)
            if part is None:
                return None
            scores[members] = part
        return scores

    def _ask(
        self,
        lanes: NDArray[np.intp],
        tokens: NDArray[np.int64],
        budgets: Budgets,
        budget: Budget,
    ) -> NDArray[np.float64] | None:
        if budgets.seeds is None:
            seeds = np.full(len(lanes), budget.training_seed, dtype=np.int64)
        else:
            seeds = budgets.seeds[lanes]
        return self.evaluator.scores(tokens, self.objective, budget, seeds)
