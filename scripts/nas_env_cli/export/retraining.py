"""Retraining of networks with several seeds, measured on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nas_env.architecture import Candidate
from nas_env.errors import InvalidArchitectureError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.best_epoch import BestEpoch
from nas_env.evaluators.training import Training, is_out_of_memory
from nas_env.objectives import Objective
from nas_env.tasks.base import TrainingDiverged, TrainingTimeout
from nas_env_cli.spread import mean_sd

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nas_env.tasks import Metrics

FAILURES = (InvalidArchitectureError, TrainingDiverged, TrainingTimeout)


@dataclass(frozen=True)
class Retrained:
    """A network retrained with several seeds and measured on the sealed test split.

    Attributes:
        name: Name in tables, such as "best of q-learning".
        candidate: The network.
        params: Trainable parameters.
        macs: Multiply-accumulates for one sample.
        accuracies: Test value of the task's metric for each seed: an accuracy in [0, 1] by default.
            A failed training counts as 0, or as the error of the best constant guess.
        scores: The objective's score with the test metrics in place of the validation metrics.
        weights: Weights of the first seed, by name; None if its training failed.
        failed: Number of seeds whose training failed.
        metric: The task's metric.
        tested: All test metrics of each seed; empty if its training failed.
        latency_ms: Milliseconds of a forward pass, if the search measures it.
        kept_epochs: The epoch of each seed whose weights were tested; None if its training failed.
        validation_scores: The objective's score of the validation metrics, for each seed.
        reference: Name of the reference network; empty if it is none of them.
    """

    name: str
    candidate: Candidate
    params: int
    macs: int
    accuracies: tuple[float, ...]
    scores: tuple[float, ...]
    weights: dict[str, Tensor] | None
    failed: int = 0
    metric: str = "accuracy"
    tested: tuple[Mapping[str, float], ...] = ()
    latency_ms: float | None = None
    kept_epochs: tuple[int | None, ...] = ()
    validation_scores: tuple[float, ...] = ()
    reference: str = ""

    @property
    def title(self) -> str:
        """Name in texts, with that of the reference network."""
        return f"{self.name} ({self.reference})" if self.reference else self.name

    @property
    def accuracy(self) -> tuple[float, float]:
        """Mean and standard deviation (n - 1) of the test accuracy, or of the task's metric."""
        return mean_sd(self.accuracies)

    @property
    def score(self) -> tuple[float, float]:
        """Mean and standard deviation (n - 1) of the test score."""
        return mean_sd(self.scores)

    @property
    def kept_epochs_text(self) -> str:
        """The name and the kept epochs as text; empty if all trainings failed."""
        numbers = [str(x) for x in self.kept_epochs if x is not None]
        return f"{self.title}: {', '.join(numbers)}" if numbers else ""


@dataclass(frozen=True)
class TrainedOnce:
    """A trained network.

    Attributes:
        network: The network, with the weights of the kept epoch.
        curve: Metrics of every epoch.
        kept_epoch: The epoch whose weights the network has, from 1.
    """

    network: nn.Module
    curve: list[Metrics]
    kept_epoch: int


def retrain(
    name: str,
    candidate: Candidate,
    evaluator: Training,
    objective: Objective,
    budget: Budget,
    seeds: Sequence[int],
    early_stopping: bool = False,
) -> Retrained:
    """Train a network once for each seed on the training split and test it.

    The test split is used after all trainings.

    Args:
        name: Name in tables, such as "best of q-learning".
        candidate: The network.
        evaluator: The evaluator that trains it.
        objective: The objective that scores it.
        budget: The budget of the search; only its training seed is replaced.
        seeds: Training seeds, different from that of the search.
        early_stopping: See `train_once`.
    """
    budgets = [replace(budget, training_seed=seed) for seed in seeds]
    trainings = [train_once(evaluator, candidate, x, early_stopping) for x in budgets]
    return measure_on_test(name, candidate, evaluator, objective, trainings)


def measure_on_test(
    name: str,
    candidate: Candidate,
    evaluator: Training,
    objective: Objective,
    trainings: Sequence[TrainedOnce | None],
) -> Retrained:
    """Test the trainings of one network; this uses the test split.

    Args:
        name: Name in tables, such as "best of q-learning".
        candidate: The network.
        evaluator: The evaluator that trained it.
        objective: The objective that scores it.
        trainings: One training for each seed; None if it failed.
    """
    task, spec = evaluator.task, evaluator.task.spec
    costs = evaluator.costs(candidate, Budget())[0]
    accuracies, scores, validated, tests = [], [], [], list[Mapping[str, float]]()
    for trained in trainings:
        if trained is None:
            accuracies.append(0.0 if spec.higher_is_better else spec.baseline_error)
            tests.append({})
            scores.append(objective.failure)
            validated.append(objective.failure)
            continue
        tests.append({**task.test(trained.network, device=evaluator.device), **costs})
        accuracies.append(tests[-1][spec.metric])
        kept = {**trained.curve[trained.kept_epoch - 1], **costs}
        for metrics, row in ((tests[-1], scores), (kept, validated)):
            curve = tuple(trained.curve)
            row.append(objective.score(Evaluation(Outcome.OK, metrics, curve, len(curve))))
    first = trainings[0]
    return Retrained(
        name,
        candidate,
        int(costs["params"]),
        int(costs["macs"]),
        tuple(accuracies),
        tuple(scores),
        None if first is None else weights_of(first.network),
        list(trainings).count(None),
        spec.metric,
        tuple(tests),
        costs.get("latency_ms"),
        tuple(None if x is None else x.kept_epoch for x in trainings),
        tuple(validated),
    )


def train_once(
    evaluator: Training, candidate: Candidate, budget: Budget, early_stopping: bool = False
) -> TrainedOnce | None:
    """Train a network; return None if the training failed.

    Args:
        evaluator: The evaluator that trains it.
        candidate: The network.
        budget: The budget of the training.
        early_stopping: Whether to keep the best epoch on validation, and to end the training after
            some epochs without improvement; see `nas_env.evaluators.best_epoch`.
    """
    best = BestEpoch.of(evaluator.task.spec, budget.epochs) if early_stopping else None
    try:
        network, curve = evaluator.train(candidate, budget, None, best)
    except Exception as error:
        if not (isinstance(error, FAILURES) or is_out_of_memory(error)):
            raise
        return None
    return TrainedOnce(network, curve, len(curve) if best is None else best.number)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a network by name, on the CPU."""
    return {key: x.detach().cpu() for key, x in network.state_dict().items()}
