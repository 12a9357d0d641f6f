"""The interface of an evaluator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.registry import Registry


class Evaluator(ABC):
    """Turns candidates into evaluations.

    Attributes:
        fingerprint: Text that changes with everything that changes the numbers: task and split,
            training loop, precision, class of device.
        free: Whether an answer costs so little that keeping it would cost more.
    """

    fingerprint: str
    free: bool = False

    @abstractmethod
    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order.

        Whatever a network does is an outcome, never an exception.
        """

    def stream(
        self, candidates: Sequence[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        """Yield (index, evaluation) as they complete; here one after the other."""
        for index, candidate in enumerate(candidates):
            yield index, self.evaluate([candidate], budget)[0]


def failed(outcome: Outcome, message: str, seconds: float = 0.0) -> Evaluation:
    """Return the evaluation of a candidate that gave no result."""
    return Evaluation(outcome, message=message, seconds=seconds)


EvaluatorFactory = Callable[..., Evaluator]
"""Called with `task` (a Task), `device` and `precision`, by keyword."""

EVALUATORS: Registry[EvaluatorFactory] = Registry("evaluator", package="nas_env.evaluators")
