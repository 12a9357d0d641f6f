"""`Deferred`: remembers what it is asked and has everything evaluated in one call, later."""

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
    """A candidate that waits for its evaluation, and who else wants to be told of it."""

    candidate: Candidate
    budget: Budget
    listener: Listener | None = None


class Deferred(EvaluatorWrapper):
    """Answers "pending" at once, and evaluates all that wait when it is told to settle.

    For controllers that learn from a whole rollout: its networks go to the evaluator inside in one
    call, which fills all workers and gives evaluators that compare networks something to compare.
    The score of a pending evaluation, and so the reward, is NaN until whoever defers has settled.
    Only where no transition depends on the score: mdp="construct", rewards as they are.
    `nas_env_agents.common.deferred` does it for Stable-Baselines3's on-policy algorithms.

    Args:
        evaluator: Who evaluates.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator)
        self._asked: list[Asked] = []

    @property
    def waiting(self) -> int:
        """How many evaluations wait."""
        return len(self._asked)

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return a pending evaluation per candidate and remember the candidates."""
        self._asked.extend(Asked(candidate, budget) for candidate in candidates)
        return [Evaluation(Outcome.PENDING) for _ in candidates]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Begin an evaluation now: a future is another way to wait."""
        return self.evaluator.submit(candidate, budget)

    def then(self, listener: Listener) -> None:
        """Have somebody told of the evaluation that was asked for last, when it is there.

        Args:
            listener: Called with the evaluation and its share of the wall-clock seconds that
                settling took, in the order in which candidates were asked for.
        """
        self._asked[-1].listener = listener

    def settle(self) -> list[Evaluation]:
        """Evaluate everything that waits, one call per budget, and return it in the order asked.

        Where the evaluator inside raises, everything goes on waiting.
        """
        asked, started = list(self._asked), perf_counter()
        groups: dict[Budget, list[int]] = {}
        for place, one in enumerate(asked):
            groups.setdefault(one.budget, []).append(place)
        found: dict[int, Evaluation] = {}
        for budget, places in groups.items():
            answers = self.evaluator.evaluate([asked[x].candidate for x in places], budget)
            found.update(zip(places, answers, strict=True))
        self._asked.clear()
        evaluations = [found[place] for place in range(len(asked))]
        wall = perf_counter() - started
        total = sum(evaluation.seconds for evaluation in evaluations)
        for one, evaluation in zip(asked, evaluations, strict=True):
            if one.listener is not None:
                one.listener(evaluation, wall * evaluation.seconds / total if total else 0.0)
        return evaluations

    def drop(self) -> None:
        """Forget everything that waits."""
        self._asked.clear()

    def with_cache(self, cache: Cache, objective: Objective) -> Evaluator:
        """Cache the wrapped evaluator and return this one."""
        super().__init__(self.evaluator.with_cache(cache, objective))
        return self
