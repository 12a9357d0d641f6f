"""Base class of evaluators that use other processes, on this machine or in a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError, NASError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import Evaluator, EvaluatorWrapper
from nas_env.network import NetworkCost, predict
from nas_env.tasks import TaskSpec

NO_COST = NetworkCost(0, 0, 0)


class RemoteEvaluator(EvaluatorWrapper):
    """Streams batches, and predicts the cost of candidates for scheduling.

    Args:
        evaluator: Evaluator that runs in the workers.

    Raises:
        InvalidSettingError: The evaluator has workers already.
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
            NASError: The wrapped evaluator raised it.
            WorkerError: No worker could be started.
        """
        evaluations = dict(self.stream(list(candidates), budget))
        return [evaluations[index] for index in range(len(candidates))]

    def cost(self, candidate: Candidate) -> NetworkCost:
        """Return the predicted cost, zero for a network that cannot be built."""
        if self._spec is None:
            return NO_COST
        try:
            return predict(candidate.architecture, self._spec)
        except NASError:
            return NO_COST


def _refuse_workers(evaluator: Evaluator, name: str) -> None:
    """Raise if an evaluator, or one that it wraps, has workers already."""
    layer = evaluator
    while isinstance(layer, EvaluatorWrapper):
        if isinstance(layer, RemoteEvaluator):
            raise InvalidSettingError(
                f"The evaluator is a {type(layer).__name__} and has workers already. Give {name} "
                "the evaluator that it wraps."
            )
        layer = layer.evaluator
