"""The interface of an evaluator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.objectives import Objective
from nas_env.registry import Registry


class Evaluator(ABC):
    """Turns candidates into evaluations.

    Attributes:
        fingerprint: Text that changes with everything that changes the numbers: task and split,
            training loop, precision, class of device.
        free: Whether an answer costs so little that keeping it would cost more.
        draws: Whether an answer depends on a training seed that the environment draws when it is
            reset with a seed.
        by_walk: Whether each walk has an evaluation of its own, as in a table, even where two walks
            lead to the same network.
        simulates: Whether evaluations tell "simulated_seconds".
    """

    fingerprint: str
    free: bool = False
    draws: bool = False
    by_walk: bool = False
    simulates: bool = False

    @abstractmethod
    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order.

        Whatever a network does is an outcome, never an exception.
        """

    def check(self, budget: Budget) -> None:  # noqa: B027 - most take any
        """Refuse a budget that cannot be answered; an environment asks at each reset.

        Raises:
            InvalidSettingError: There is no answer under this budget.
        """

    def stream(
        self, candidates: Sequence[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        """Yield (index, evaluation) as they complete; here one after the other."""
        for index, candidate in enumerate(candidates):
            yield index, self.evaluate([candidate], budget)[0]

    def scores(
        self,
        tokens: NDArray[np.int64],
        objective: Objective,
        budget: Budget,
        training_seeds: NDArray[np.int64],
    ) -> NDArray[np.float64] | None:
        """Return the scores of many walks at once, or None where only `evaluate` can tell.

        They are the scores that the objective gives to what `evaluate` returns.

        Args:
            tokens: (walks, max_length) the decisions of complete legal walks plus one, 0 after
                the last.
            objective: What is scored.
            budget: What one evaluation may cost; its training seed does not count here.
            training_seeds: (walks,) the training seed of each.
        """
        return None


def failed(outcome: Outcome, message: str, seconds: float = 0.0) -> Evaluation:
    """Return the evaluation of a candidate that gave no result."""
    return Evaluation(outcome, message=message, seconds=seconds)


EvaluatorFactory = Callable[..., Evaluator]
"""Called with `task` (a Task), `device` and `precision`, by keyword."""

EVALUATORS: Registry[EvaluatorFactory] = Registry("evaluator", package="nas_env.evaluators")
