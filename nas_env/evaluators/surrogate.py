"""`surrogate`: predicts evaluations with a fitted model, in microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.base import EVALUATORS, Evaluator, failed
from nas_env.network import NetworkCost, predict
from nas_env.objectives import Accuracy, Objective
from nas_env.registry import unknown_name
from nas_env.surrogates import SurrogateTask
from nas_env.tasks import Task

EPOCHS = 1  # the only fidelity: the schedule of the sample, independent of its length
CACHE_SIZE = 100_000
PER_IMAGE = "ms_per_image"  # of the chosen device, the inverse of its throughput


@EVALUATORS.register("surrogate")
class SurrogateEvaluator(Evaluator):
    """Predicts the metrics of a complete walk without training.

    An evaluation contains:

    * every metric that the surrogate predicts;
    * the exact "params", "macs", "activation_bytes" and "density" of the network;
    * the prediction quality of each metric on held-out networks: "surrogate_r2_NAME" and
      "surrogate_tau_NAME";
    * if a device is selected, its metrics without the device name as a prefix ("latency_ms" if it
      was measured, "throughput_img_s"), and "ms_per_image", 1000 / throughput: the time that the
      device needs per image, not the latency of an image.

    Predictions for the best network of a search are too optimistic: see `Surrogate.excess`.

    Args:
        task: The task of a surrogate.
        device: Not used.
        precision: Not used.
        hardware: The device, or None.

    Raises:
        IncompatibleError: The task is not a `SurrogateTask`.
        UnknownNameError: No such device.
    """

    free = True
    by_walk = True

    def __init__(
        self,
        task: Task,
        device: str = "auto",
        precision: str = "float32",
        hardware: str | None = None,
    ) -> None:
        if not isinstance(task, SurrogateTask):
            raise IncompatibleError(
                f"Evaluator 'surrogate' needs a fitted model, but task {task.spec.name!r} has none."
                " Use an environment of a surrogate, such as NASMobile-v0."
            )
        self.task, self.surrogate = task, task.surrogate
        devices = self.surrogate.hardware
        if hardware is not None and hardware not in devices:
            raise unknown_name(f"device of surrogate {self.surrogate.name!r}", hardware, devices)
        self.hardware = hardware
        self.simulates = "simulated_seconds" in self.surrogate.weights
        self.held_out_errors = {
            f"surrogate_{kind}_{name}": getattr(errors, kind)
            for name, errors in self.surrogate.errors.items()
            for kind in ("r2", "tau")
        }
        self._answers: dict[tuple[int, ...], Evaluation] = {}
        self.fingerprint = f"surrogate-1/{self.surrogate.name}/{hardware}"
        self.measures_latency = "latency_ms" in self.metric_names

    @cached_property
    def metric_names(self) -> frozenset[str]:
        """Names of the metrics."""
        own = {*self.surrogate.hardware[self.hardware], PER_IMAGE} if self.hardware else set()
        costs = NetworkCost.__dataclass_fields__
        return frozenset({*self.surrogate.weights, *own, *costs, *self.held_out_errors})

    def check(self, budget: Budget) -> None:
        """Raise if the budget's epochs are not the only fidelity.

        Raises:
            InvalidSettingError: The number of epochs is not 1.
        """
        if budget.epochs != EPOCHS:
            raise InvalidSettingError(
                f"Surrogate {self.surrogate.name!r} has no fidelity of {budget.epochs} epochs. All "
                f"its networks were trained on one schedule, which is fidelity {EPOCHS}. Leave "
                "out fidelity and the budget's epochs."
            )

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order.

        Raises:
            InvalidSettingError: The number of epochs is not 1.
        """
        self.check(budget)
        return [self._answer(candidate) for candidate in candidates]

    def scores(
        self,
        tokens: NDArray[np.int64],
        objective: Objective,
        budget: Budget,
        training_seeds: NDArray[np.int64],
    ) -> NDArray[np.float64] | None:
        """Return the (n,) scores of complete walks, or None if the objective is not the accuracy.

        Args:
            tokens: (n, positions) decisions plus one.
            objective: Only `Accuracy` is vectorised.
            budget: Budget with the fidelity.
            training_seeds: Not used.
        """
        if type(objective) is not Accuracy:
            return None
        self.check(budget)
        accuracy = self.surrogate.predict(tokens - 1, "accuracy")["accuracy"]
        return np.clip(accuracy, *objective.bounds)

    def _answer(self, candidate: Candidate) -> Evaluation:
        cached = self._answers.get(candidate.walk)
        if cached is None:
            cached = self._evaluation(candidate)
            if cached.ok and len(self._answers) < CACHE_SIZE:
                self._answers[candidate.walk] = cached
        return cached

    def _evaluation(self, candidate: Candidate) -> Evaluation:
        if not self.surrogate.model.knows(candidate.walk):
            name, walk = self.surrogate.name, candidate.walk
            return failed(Outcome.CRASHED, f"Surrogate {name!r} has no walk {walk}.")
        predictions = self.surrogate.predict(np.array([candidate.walk]))
        metrics = {name: float(values[0]) for name, values in predictions.items()}
        if self.hardware is not None:
            own = self.surrogate.hardware[self.hardware]
            metrics |= {name: metrics[f"{self.hardware}_{name}"] for name in own}
            metrics[PER_IMAGE] = 1000 / metrics["throughput_img_s"]
        metrics |= predict(candidate.architecture, self.task.spec).to_json()
        return Evaluation(Outcome.OK, {**metrics, **self.held_out_errors}, epochs=EPOCHS)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_answers": {}}
