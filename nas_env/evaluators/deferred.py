"""`Deferred`: collects candidates and evaluates them later in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.base import Cache, Evaluator, EvaluatorWrapper
from nas_env.objectives import Objective

Listener = Callable[[Evaluation, float], None]


@dataclass
class Asked:
    """A pending candidate, its budget, and a listener for its evaluation."""

    candidate: Candidate
    budget: Budget
    listener: Listener | None = None


class Deferred(EvaluatorWrapper):
    """Returns pending evaluations, and evaluates all pending candidates in `settle`.

    For agents that learn from a whole rollout. All networks of the rollout are passed to the
    wrapped evaluator in one call, which keeps all workers busy and forms the batches that
    evaluators such as `Halving` need. The score of a pending evaluation, and so the reward, is NaN
    until `settle` is called. This requires that no transition depends on the score:
    mdp="construct" with unmodified rewards. `nas_env_agents.common.deferred` implements it for the
    on-policy algorithms of Stable-Baselines3.

    Args:
        evaluator: The wrapped evaluator.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator)
        self._asked: list[Asked] = []

    @property
    def waiting(self) -> int:
        """Number of pending evaluations."""
        return len(self._asked)

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return a pending evaluation per candidate and remember the candidates."""
        self._asked.extend(Asked(candidate, budget) for candidate in candidates)
        return [Evaluation(Outcome.PENDING) for _ in candidates]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Start an evaluation immediately; futures are not deferred."""
        return self.evaluator.submit(candidate, budget)

    def then(self, listener: Listener) -> None:
        """Set the listener of the latest pending evaluation, which `settle` calls.

        Args:
            listener: Called with the evaluation and its share of the wall-clock seconds of
                `settle`. Listeners are called in the order of the requests.
        """
        self._asked[-1].listener = listener

    def settle(self) -> list[Evaluation]:
        """Evaluate all pending candidates, one call per budget; return them in order of request.

        If the wrapped evaluator raises, all candidates remain pending.
        """
        requests, started = list(self._asked), perf_counter()
        groups: dict[Budget, list[int]] = {}
        for place, one in enumerate(requests):
            groups.setdefault(one.budget, []).append(place)
        answer_at: dict[int, Evaluation] = {}
        for budget, places in groups.items():
            answers = self.evaluator.evaluate([requests[x].candidate for x in places], budget)
            answer_at.update(zip(places, answers, strict=True))
        self._asked.clear()
        evaluations = [answer_at[place] for place in range(len(requests))]
        wall = perf_counter() - started
        total = sum(evaluation.seconds for evaluation in evaluations)
        for one, evaluation in zip(requests, evaluations, strict=True):
            if one.listener is not None:
                one.listener(evaluation, wall * evaluation.seconds / total if total else 0.0)
        return evaluations

    def drop(self) -> None:
        """Discard all pending candidates."""
        self._asked.clear()

    def with_cache(self, cache: Cache, objective: Objective) -> Evaluator:
        """Cache the wrapped evaluator and return this one."""
        super().__init__(self.evaluator.with_cache(cache, objective))
        return self
