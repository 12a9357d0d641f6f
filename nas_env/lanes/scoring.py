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
    """The budget of each lane's episode; a value that is replaced, never changed.

    Attributes:
        base: What all lanes have in common.
        seeds: (lanes,) training seeds where the evaluator asks for drawn ones, else None.
        special: (lanes,) whether the episode was begun with the reset option "fidelity"; None
            where no lane was.
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
        """Return the budgets after some lanes have begun an episode without options."""
        if self.special is None:
            return self
        special = self.special & ~lanes
        return self._replace(special=special if special.any() else None)


class Scorer:
    """Evaluates what many lanes have finished.

    Args:
        evaluator: Who answers.
        objective: What is scored.
    """

    def __init__(self, evaluator: Evaluator, objective: Objective) -> None:
        self.evaluator = evaluator
        self.objective = objective

    def evaluate(
        self, lanes: Sequence[int], candidates: Sequence[Candidate], budgets: Budgets
    ) -> dict[int, Evaluation]:
        """Return the evaluation of each lane's candidate; one call for each different budget."""
        groups: dict[Budget, list[tuple[int, Candidate]]] = {}
        for lane, candidate in zip(lanes, candidates, strict=True):
            groups.setdefault(budgets.of(lane), []).append((lane, candidate))
        found: dict[int, Evaluation] = {}
        for budget, members in groups.items():
            answers = self.evaluator.evaluate([candidate for _, candidate in members], budget)
            found.update(zip([lane for lane, _ in members], answers, strict=True))
        return found

    def score(self, evaluation: Evaluation) -> float:
        """Return the objective's score."""
        return self.objective.score(evaluation)

    def scores(
        self, lanes: NDArray[np.intp], tokens: NDArray[np.int64], budgets: Budgets
    ) -> NDArray[np.float64] | None:
        """Return the scores of complete walks by the evaluator's array path, None without one.

        Args:
            lanes: (n,) numbers of the lanes.
            tokens: (n, max_length) their walks.
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
            found = self._ask(lanes[members], tokens[members], budgets, budget)
            if found is None:
                return None
            scores[members] = found
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
