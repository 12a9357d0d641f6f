"""The common part of evaluators that let others evaluate: processes here, or a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError, NASError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import Evaluator, EvaluatorWrapper
from nas_env.network import NetworkCost, predict
from nas_env.tasks import TaskSpec

NOTHING = NetworkCost(0, 0, 0)


class Elsewhere(EvaluatorWrapper):
    """Predicts what candidates cost, so that they can be ordered and placed; a batch is streamed.

    Args:
        evaluator: The one that evaluates, wherever that is.

    Raises:
        InvalidSettingError: That one lets others evaluate, too.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        _refuse_workers(evaluator, type(self).__name__)
        super().__init__(evaluator)
        inner: Any = evaluator.unwrapped
        task = getattr(inner, "task", None)
        self._spec: TaskSpec | None = getattr(inner, "spec", None) or getattr(task, "spec", None)

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order.

        Raises:
            NASError: The evaluator inside raised it.
            WorkerError: There is nobody who could evaluate.
        """
        found = dict(self.stream(list(candidates), budget))
        return [found[index] for index in range(len(candidates))]

    def cost(self, candidate: Candidate) -> NetworkCost:
        """Return the predicted cost; nothing for what the evaluator inside finds impossible."""
        if self._spec is None:
            return NOTHING
        try:
            return predict(candidate.architecture, self._spec)
        except NASError:
            return NOTHING


def _refuse_workers(evaluator: Evaluator, name: str) -> None:
    """Refuse an evaluator that has workers, or has one inside that does."""
    layer = evaluator
    while isinstance(layer, EvaluatorWrapper):
        if isinstance(layer, Elsewhere):
            raise InvalidSettingError(
                f"The evaluator is a {type(layer).__name__} and has workers already. Give {name} "
                "the one inside."
            )
        layer = layer.evaluator
