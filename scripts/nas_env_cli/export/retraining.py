"""Retraining of networks with several seeds, measured on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nas_env.architecture import Candidate
from nas_env.errors import InvalidArchitectureError
from nas_env.evaluation import Budget, Evaluation, Outcome
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
    validation_scores: tuple[float, ...] = ()
    reference: str = ""

    @property
    def title(self) -> str:
        """Name in texts, with that of the reference network."""
        return f"{self.name} ({self.reference})" if self.reference else self.name

    @classmethod
    def joined(cls, parts: Sequence[Retrained]) -> Retrained:
        """Return the trainings of one network with different seeds as one."""
        return replace(
            parts[0],
            accuracies=sum((x.accuracies for x in parts), ()),
            scores=sum((x.scores for x in parts), ()),
            validation_scores=sum((x.validation_scores for x in parts), ()),
            tested=sum((x.tested for x in parts), ()),
            failed=sum(x.failed for x in parts),
        )

    @property
    def accuracy(self) -> tuple[float, float]:
        """Mean and standard deviation (n - 1) of the test accuracy, or of the task's metric."""
        return mean_sd(self.accuracies)

    @property
    def score(self) -> tuple[float, float]:
        """Mean and standard deviation (n - 1) of the test score."""
        return mean_sd(self.scores)


def retrain(
    name: str,
    candidate: Candidate,
    evaluator: Training,
    objective: Objective,
    budget: Budget,
    seeds: Sequence[int],
) -> Retrained:
    """Train a network once for each seed on the training split and test it.

    Args:
        name: Name in tables, such as "best of q-learning".
        candidate: The network.
        evaluator: The evaluator that trains it.
        objective: The objective that scores it.
        budget: The budget of the search; only its training seed is replaced.
        seeds: Training seeds, different from that of the search.
    """
    task = evaluator.task
    costs = evaluator.costs(candidate, Budget())[0]
    accuracies, scores, validated, weights, failed = [], [], [], None, 0
    all_tested: list[Mapping[str, float]] = []
    spec = task.spec
    for number, seed in enumerate(seeds):
        trained = train_once(evaluator, candidate, replace(budget, training_seed=seed))
        if trained is None:
            failed += 1
            accuracies.append(0.0 if spec.higher_is_better else spec.baseline_error)
            all_tested.append({})
            scores.append(objective.failure)
            validated.append(objective.failure)
            continue
        network, curve = trained
        tested = {**task.test(network, device=evaluator.device), **costs}
        evaluation = Evaluation(Outcome.OK, tested, tuple(curve), len(curve))
        accuracies.append(tested[spec.metric])
        all_tested.append(tested)
        scores.append(objective.score(evaluation))
        on_validation = Evaluation(Outcome.OK, {**curve[-1], **costs}, tuple(curve), len(curve))
        validated.append(objective.score(on_validation))
        if number == 0:
            weights = weights_of(network)
    measured = tuple(accuracies), tuple(scores)
    size = int(costs["params"]), int(costs["macs"])
    tests = spec.metric, tuple(all_tested)
    latency = costs.get("latency_ms")
    return Retrained(
        name, candidate, *size, *measured, weights, failed, *tests, latency, tuple(validated)
    )


def train_once(
    evaluator: Training, candidate: Candidate, budget: Budget
) -> tuple[nn.Module, list[Metrics]] | None:
    """Return a trained network with the metrics of every epoch; None if the training failed."""
    try:
        return evaluator.train(candidate, budget)
    except Exception as error:
        if not (isinstance(error, FAILURES) or is_out_of_memory(error)):
            raise
        return None


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a network by name, on the CPU."""
    return {key: x.detach().cpu() for key, x in network.state_dict().items()}
