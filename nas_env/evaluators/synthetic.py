"""`synthetic`: a free, deterministic, artificial score to test and benchmark agents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from nas_env.architecture import Architecture, Candidate, Layer, digest
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.base import EVALUATORS, Evaluator, failed
from nas_env.network import predict
from nas_env.tasks import Task, TaskSpec

BEST_DEPTH = 4
CACHE_SIZE = 100_000


@EVALUATORS.register("synthetic")
class Synthetic(Evaluator):
    """Scores layers and pairs of adjacent layers by hash; does not model real accuracies.

    "accuracy" is the mean of fixed pseudo-random values in [0, 1], one for each layer and one for
    each pair of adjacent layers, times 1 - 0.1 * |layers - 4| / max(layers, 4). "loss" is the
    negative logarithm of the accuracy. The same network has the same value on every machine,
    without noise.

    Args:
        task: Task with the shapes used to predict costs; its data are not used.
        device: Not used.
        precision: Not used.
        seed: Seed of the score function; each seed gives a different one.
    """

    free = True

    def __init__(
        self, task: Task, device: str = "auto", precision: str = "float32", seed: int = 0
    ) -> None:
        self.spec = task.spec
        self.seed = seed
        self._answers: dict[str, Evaluation] = {}
        reports = [name for name in self.spec.reports if name != "accuracy"]
        self.fingerprint = "-".join([f"synthetic-1-{seed}", *reports])

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order."""
        return [self._answer(x.architecture) for x in candidates]

    def _answer(self, architecture: Architecture) -> Evaluation:
        cached = self._answers.get(architecture.text)
        if cached is None:
            cached = _evaluation(architecture, self.spec, self.seed)
            if len(self._answers) < CACHE_SIZE:
                self._answers[architecture.text] = cached
        return cached


def _evaluation(architecture: Architecture, spec: TaskSpec, seed: int) -> Evaluation:
    try:
        cost = predict(architecture, spec)
    except Exception as error:
        return failed(Outcome.CRASHED, f"{type(error).__name__}: {error}")
    accuracy = _accuracy(architecture.layers, seed)
    metrics = {
        "accuracy": accuracy,
        **{name: _made_up(name, accuracy, spec) for name in spec.reports},
        "loss": -math.log(max(accuracy, 1e-6)),
        "train_loss": -math.log(max(accuracy, 1e-6)),
        **cost.to_json(),
    }
    return Evaluation(Outcome.OK, metrics, (metrics,), epochs=1)


def _made_up(name: str, accuracy: float, spec: TaskSpec) -> float:
    """Return another metric; an error falls from the baseline error to 0 as accuracy rises."""
    return spec.baseline_error * (1 - accuracy) if name in ("mse", "mae") else accuracy


def _accuracy(layers: tuple[Layer, ...], seed: int) -> float:
    singles = [_value(seed, layer) for layer in layers]
    pairs = [_value(seed, *pair) for pair in pairwise(layers)]
    values = singles + pairs
    depth = len(layers)
    off = abs(depth - BEST_DEPTH) / max(depth, BEST_DEPTH)
    return sum(values) / max(len(values), 1) * (1 - 0.1 * off)


@lru_cache(maxsize=100_000)
def _value(seed: int, *layers: Layer) -> float:
    """Return a number in [0, 1] that depends only on the arguments."""
    return int(digest([seed, *(layer.to_json() for layer in layers)])[:13], 16) / 16**13
