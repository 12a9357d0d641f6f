"""`Cached`: asks the store first, so that no network is trained twice."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import Around, Evaluator
from nas_env.objectives import Objective
from nas_env.store import EvaluationKey, Record, Store


class Cached(Around):
    """Asks the store first and writes every new evaluation into it as soon as it is there.

    The same candidate with the same fingerprint, budget and training seed is computed once, also
    where it stands twice in one batch and across runs that share a store.

    Args:
        evaluator: Who is asked for what the store does not have.
        store: Where evaluations are kept.
        objective: Fills the store's column `score`, for readers of the table.
        retry_failed: Whether a stored failure is evaluated again, once in this evaluator's life;
            what comes out takes its place in the store.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        store: Store,
        objective: Objective | None = None,
        retry_failed: bool = False,
    ) -> None:
        super().__init__(evaluator)
        self.free = self.by_walk = False  # one entry for a network, whatever walk led to it
        self.store = store
        self.objective = objective
        self.retry_failed = retry_failed
        self._retried: set[EvaluationKey] = set()

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order."""
        keys = [EvaluationKey.of(x, self.fingerprint, budget) for x in candidates]
        known = {key: self._known(key) for key in dict.fromkeys(keys)}
        new = {
            key: candidate
            for key, candidate in zip(keys, candidates, strict=True)
            if known[key] is None
        }
        todo = list(new.items())
        for index, evaluation in self.evaluator.stream([x for _, x in todo], budget):
            key, candidate = todo[index]
            known[key] = evaluation
            self._keep(key, candidate, evaluation)
        return [found for key in keys if (found := known[key]) is not None]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Begin an evaluation and return its future, done at once where the store has it."""
        key = EvaluationKey.of(candidate, self.fingerprint, budget)
        known = self._known(key)
        answer: Future[Evaluation] = Future()
        if known is not None:
            answer.set_result(known)
            return answer

        def write(done: Future[Evaluation]) -> None:
            try:
                evaluation = done.result()
                self._keep(key, candidate, evaluation)
            except BaseException as error:
                answer.set_exception(error)
            else:
                answer.set_result(evaluation)

        self.evaluator.submit(candidate, budget).add_done_callback(write)
        return answer

    def stored_in(self, store: Store, objective: Objective, retry_failed: bool) -> Evaluator:
        """Return itself: it has a store."""
        return self

    def _known(self, key: EvaluationKey) -> Evaluation | None:
        """Return what the store has, None where it must be evaluated."""
        found = self.store.get(key)
        if found is None or found.ok or not self.retry_failed or key in self._retried:
            return found
        self._retried.add(key)
        return None

    def _keep(self, key: EvaluationKey, candidate: Candidate, evaluation: Evaluation) -> None:
        score, described = None, ""
        if self.objective is not None:
            score, described = self.objective.score(evaluation), self.objective.describe()
        record = Record(key, candidate, evaluation, score, described)
        self.store.put(record, replace=key in self._retried)
