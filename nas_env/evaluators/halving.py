"""`Halving`: trains all candidates of a batch briefly and only the best of them longer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators._stopping import EarlyStopping, continued_training
from nas_env.evaluators.base import EVALUATORS, Evaluator, with_cost_of
from nas_env.evaluators.latency import Latency
from nas_env.objectives import Objective
from nas_env.tasks import Task


class Halving(EarlyStopping):
    """Successive halving over each batch: one in `eta` candidates is promoted to the next rung.

    The highest rung has the budget's epochs. Below each rung of k epochs is a rung of k / eta
    epochs (rounded down); the lowest has `min_epochs`. If the evaluator supports only certain
    epochs (`fidelities`), the nearest lower ones are used. All candidates are evaluated at the
    lowest rung, in one call and on the schedule of the whole budget. The best n / eta (rounded
    down, at least one) are promoted to the next rung. Candidates are ranked by the objective's
    score; of equal scores, the earlier candidate comes first. Failures are never promoted. A single
    candidate is evaluated at the highest rung only. The result of each candidate is its last
    evaluation, with the epochs that it was trained for.

    Halving needs batches, such as those of a vector environment or of deferred scoring. Single
    candidates and the candidates of a stream are evaluated in full. A score depends on the batch
    that contained the candidate. `Training` with checkpoints continues networks from rung to rung.
    Without checkpoints, and for networks with inherited weights, training restarts at each rung.
    In both cases, the epochs and seconds of an evaluation include all its rungs.

    Reference: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016; Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A
    Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18(185), 2018, for `eta`.

    Args:
        evaluator: Evaluator used at each rung.
        objective: Objective that ranks candidates, or its name. None: the environment's own, or
            accuracy outside an environment.
        eta: One in `eta` candidates is promoted.
        min_epochs: Epochs of the lowest rung.

    Raises:
        InvalidSettingError: A setting is out of its range.
    """

    needs_batches = True

    def __init__(
        self,
        evaluator: Evaluator,
        objective: str | Objective | None = None,
        eta: int = 3,
        min_epochs: int = 1,
    ) -> None:
        super().__init__(evaluator, objective)
        for name, value, least in (("eta", eta, 2), ("min_epochs", min_epochs, 1)):
            if value < least:
                raise InvalidSettingError(f"Setting {name} must be >= {least}, got {value}.")
        self.eta, self.min_epochs = eta, min_epochs

    def rungs(self, budget: Budget) -> tuple[int, ...]:
        """Return the epochs of the rungs under a budget, ascending."""
        epochs, fidelities = budget.epochs, getattr(self.evaluator.unwrapped, "fidelities", None)
        possible: Iterable[int] = range(1, epochs + 1) if fidelities is None else fidelities
        return rungs_of([x for x in possible if self.min_epochs <= x < epochs] + [epochs], self.eta)

    def check(self, budget: Budget) -> None:
        """Raise if the wrapped evaluator does not support a rung of a budget."""
        for epochs in self.rungs(budget):
            self.evaluator.check(budget.at_fidelity(epochs))

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return the last evaluation of each candidate, in order; duplicates are evaluated once."""
        keys = [self.identity(candidate) for candidate in candidates]
        alive: dict[Any, Candidate] = {}
        for key, candidate in zip(keys, candidates, strict=True):
            alive.setdefault(key, candidate)
        results: dict[Any, Evaluation] = {}
        for epochs in self.rungs(budget):
            if not alive or (len(alive) == 1 and epochs < budget.epochs):
                continue
            rung = budget.at_fidelity(epochs)
            answers = self.evaluator.evaluate(list(alive.values()), rung)
            latest = dict(zip(alive, answers, strict=True))
            for key in results.keys() & latest.keys():
                if not self.evaluator.continues(alive[key]):
                    latest[key] = with_cost_of(results[key], latest[key])
            results |= latest
            promoted = self._promoted(latest)
            alive = {key: alive[key] for key in alive if key in promoted}
        return [results[key] for key in keys]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Start the full evaluation of one candidate and return its future."""
        return self.evaluator.submit(candidate, budget)

    def _promoted(self, latest: dict[Any, Evaluation]) -> set[Any]:
        """Return the keys of the candidates promoted to the next rung."""
        scores = {key: self.objective.score(x) for key, x in latest.items() if x.ok}
        ranked = sorted(
            scores, key=lambda key: -scores[key]
        )  # stable: the earlier of equal scores first
        return set(ranked[: max(1, len(latest) // self.eta)])


@EVALUATORS.register("halving")
def halving(
    task: Task,
    device: str = "auto",
    precision: str = "float32",
    latency: Latency | Mapping[str, Any] | bool | None = None,
) -> Halving:
    """Create successive halving over `Training` with checkpoints in a temporary folder.

    Args:
        task: The task that networks are trained for.
        device: See `nas_env.evaluators.training.Training`.
        precision: See there.
        latency: See there.
    """
    return Halving(continued_training(task, device, precision, latency))


def rungs_of(fidelities: Sequence[int], eta: int) -> tuple[int, ...]:
    """Select the rungs from ascending fidelities, starting with the highest.

    The rung below each is the highest fidelity that is at most 1 / eta of it, or the lowest
    fidelity if there is none.

    Example:
        >>> rungs_of([1, 2, 3, 4, 5, 6], eta=3)
        (1, 2, 6)
    """
    rungs = list(fidelities[-1:])
    while rungs and rungs[0] > fidelities[0]:
        low = [x for x in fidelities if x * eta <= rungs[0]]
        rungs.insert(0, max(low, default=fidelities[0]))
    return tuple(rungs)
