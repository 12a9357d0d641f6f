"""Evaluators around evaluators."""

from __future__ import annotations

from collections.abc import Sequence

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import Evaluator
from nas_env.objectives import Objective
from nas_env.store import EvaluationKey, Record, Store


class Cached(Evaluator):
    """Asks the store first and writes every new evaluation into it.

    The same candidate with the same fingerprint, budget and training seed is computed once, also
    where it stands twice in one batch and across runs that share a store.

    Args:
        evaluator: Who is asked for what the store does not have.
        store: Where evaluations are kept.
        objective: Fills the store's column `score`, for readers of the table.
    """

    def __init__(
        self, evaluator: Evaluator, store: Store, objective: Objective | None = None
    ) -> None:
        self.evaluator = evaluator
        self.store = store
        self.objective = objective
        self.fingerprint = evaluator.fingerprint
        self.draws, self.simulates = evaluator.draws, evaluator.simulates

    def check(self, budget: Budget) -> None:
        """Refuse what the evaluator itself refuses."""
        self.evaluator.check(budget)

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order."""
        keys = [EvaluationKey.of(x, self.fingerprint, budget) for x in candidates]
        known = {key: self.store.get(key) for key in keys}
        new = {
            key: candidate
            for key, candidate in zip(keys, candidates, strict=True)
            if known[key] is None
        }
        todo = list(new.items())
        for index, evaluation in self.evaluator.stream([x for _, x in todo], budget):
            key, candidate = todo[index]
            known[key] = evaluation
            self.store.put(self._record(key, candidate, evaluation))
        return [found for key in keys if (found := known[key]) is not None]

    def _record(self, key: EvaluationKey, candidate: Candidate, evaluation: Evaluation) -> Record:
        if self.objective is None:
            return Record(key, candidate, evaluation)
        score = self.objective.score(evaluation)
        return Record(key, candidate, evaluation, score, self.objective.describe())
