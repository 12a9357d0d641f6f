"""`smallness`: scores a network by its parameters alone, with a metric of its own."""

from collections.abc import Sequence

from nas_env.architecture import Candidate
from nas_env.errors import NASError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.base import EVALUATORS, Evaluator, failed
from nas_env.network import predict
from nas_env.tasks import Task


@EVALUATORS.register("smallness")
class Smallness(Evaluator):
    """Has the one metric "smallness", 1 / (1 + parameters / 1000); no accuracy and no costs."""

    free = True
    fingerprint = "smallness-1"

    def __init__(self, task: Task, device: str = "auto", precision: str = "float32") -> None:
        self.spec = task.spec

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order; a failure is an outcome."""
        return [self._one(candidate) for candidate in candidates]

    def _one(self, candidate: Candidate) -> Evaluation:
        try:
            params = predict(candidate.architecture, self.spec).params
        except NASError as error:
            return failed(Outcome.CRASHED, str(error))
        return Evaluation(Outcome.OK, {"smallness": 1 / (1 + params / 1000)})
