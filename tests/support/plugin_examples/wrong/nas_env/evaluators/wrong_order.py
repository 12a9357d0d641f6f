"""`wrong-order`: an evaluator that returns its evaluations in reverse."""

from collections.abc import Sequence

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import EVALUATORS
from nas_env.evaluators.synthetic import Synthetic


@EVALUATORS.register("wrong-order")
class WrongOrder(Synthetic):
    """Scores like `synthetic`, but the last candidate comes first."""

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return the evaluations of the candidates in reverse."""
        return super().evaluate(candidates, budget)[::-1]
