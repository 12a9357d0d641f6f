"""`Cached`: checks the store first, so that no network is trained twice."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import Cache, Evaluator, EvaluatorWrapper
from nas_env.objectives import Objective
from nas_env.store import EvaluationKey, Record, Store


class Cached(EvaluatorWrapper):
    """Checks the store first, and writes each new evaluation to it immediately.

    Each combination of candidate, fingerprint, budget and training seed is evaluated only once:
    within a batch, while an earlier submission is still running, and across runs that share a
    store. Failures are stored too, although they may depend on the machine.

    Args:
        evaluator: Evaluator used on a cache miss.
        store: The store of evaluations.
        objective: Objective for the `score` column of the store.
        retry_failed: Whether a stored failure is evaluated again, once per instance. The new
            evaluation replaces it in the store.

    Attributes:
        answered: Number of evaluations returned from the store.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        store: Store,
        objective: Objective | None = None,
        retry_failed: bool = False,
    ) -> None:
        super().__init__(evaluator)
        self.free = self.by_walk = False  # one entry per network, independent of the walk
        self.store = store
        self.objective = objective
        self.retry_failed = retry_failed
        self.answered = 0
        self._retried: set[EvaluationKey] = set()
        self._submitted: dict[EvaluationKey, Future[Evaluation]] = {}  # until the store has it

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order."""
        keys = [EvaluationKey.of(x, self.fingerprint, budget) for x in candidates]
        results = {key: self._known(key) for key in dict.fromkeys(keys)}
        new = {
            key: candidate
            for key, candidate in zip(keys, candidates, strict=True)
            if results[key] is None
        }
        todo = list(new.items())
        self.answered += len(keys) - len(todo)
        for index, evaluation in self.evaluator.stream([x for _, x in todo], budget):
            key, candidate = todo[index]
            results[key] = evaluation
            self._keep(key, candidate, evaluation)
        return [result for key in keys if (result := results[key]) is not None]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Start an evaluation and return its future, which is done at once on a cache hit."""
        key = EvaluationKey.of(candidate, self.fingerprint, budget)
        begun: Future[Evaluation] = Future()
        first, answer = self._submitted.setdefault(key, begun), Future[Evaluation]()
        first.add_done_callback(partial(_pass_on, answer))
        if first is begun:
            self._begin(key, candidate, budget, begun)
        return answer

    def _begin(
        self, key: EvaluationKey, candidate: Candidate, budget: Budget, begun: Future[Evaluation]
    ) -> None:
        """Complete a new submission from the store, or evaluate the candidate."""
        try:
            stored = self._known(key)
            if stored is None:
                done = partial(self._arrive, key, candidate, begun)
                self.evaluator.submit(candidate, budget).add_done_callback(done)
                return
        except BaseException as error:
            del self._submitted[key]
            begun.set_exception(error)
            raise
        self.answered += 1
        del self._submitted[key]
        begun.set_result(stored)

    def _arrive(
        self,
        key: EvaluationKey,
        candidate: Candidate,
        begun: Future[Evaluation],
        done: Future[Evaluation],
    ) -> None:
        """Store the evaluation of a submitted candidate, then complete its future."""
        try:
            evaluation = done.result()
            self._keep(key, candidate, evaluation)
        except BaseException as error:
            del self._submitted[key]
            begun.set_exception(error)
        else:
            del self._submitted[key]
            begun.set_result(evaluation)

    def with_cache(self, cache: Cache, objective: Objective) -> Evaluator:
        """Return this evaluator, which is already a cache."""
        return self

    def _known(self, key: EvaluationKey) -> Evaluation | None:
        """Return the stored evaluation, or None if the candidate must be evaluated."""
        stored = self.store.get(key)
        if stored is None or stored.ok or not self.retry_failed or key in self._retried:
            return stored
        self._retried.add(key)
        return None

    def _keep(self, key: EvaluationKey, candidate: Candidate, evaluation: Evaluation) -> None:
        score, described = None, ""
        if self.objective is not None:
            score, described = self.objective.score(evaluation), self.objective.describe()
        record = Record(key, candidate, evaluation, score, described)
        self.store.put(record, replace=key in self._retried)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_submitted": {}}


def with_store(
    evaluator: Evaluator, store: Store, objective: Objective, retry_failed: bool = False
) -> Evaluator:
    """Return the evaluator with a store at the appropriate level of its wrappers.

    Args:
        evaluator: Any evaluator.
        store: The store of evaluations.
        objective: Objective for the `score` column of the store.
        retry_failed: Whether stored failures are evaluated again.
    """
    cache = partial(Cached, store=store, objective=objective, retry_failed=retry_failed)
    return evaluator.with_cache(cache, objective)


def _pass_on(answer: Future[Evaluation], begun: Future[Evaluation]) -> None:
    """Copy the result of a future to another one, unless that was cancelled."""
    if not answer.set_running_or_notify_cancel():
        return
    if (error := begun.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(begun.result())
