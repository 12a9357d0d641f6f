"""`Halving`: of a batch, all are trained shortly and only the best of them further."""

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
    """Successive halving over each batch: one in `eta` is promoted to the next rung.

    The highest rung is the budget's epochs. Below each rung of k epochs is that of k / eta (rounded
    down), and `min_epochs` is the lowest; an evaluator that knows certain epochs only
    (`fidelities`) is asked for the nearest of those below. All candidates are evaluated at the
    lowest rung, in one call and on the schedule of the whole budget; the best n / eta (rounded
    down, at least one) are at the next. They are ranked by the objective's score, the earlier of
    equals first; a failure is never promoted. A candidate that is alone goes straight to the top.
    The answer for each is its last evaluation, with the epochs that it was given.

    It needs batches, as a vector environment and deferred scoring make them: one candidate alone
    is evaluated in full, and so is each of a stream. A score depends on the batch it was in. Over
    `Training` with checkpoints, networks are continued; without, and where weights are inherited,
    each rung begins anew. Epochs and seconds of an evaluation are those of all its rungs either
    way.

    Reference: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016; Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A
    Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18(185), 2018, for `eta`.

    Args:
        evaluator: Who is asked at each rung.
        objective: What candidates are ranked by, or its name; None: that of the environment whose
            store is put inside, accuracy until then.
        eta: One in so many is promoted.
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
                raise InvalidSettingError(f"Setting {name} must be >= {least}, but is {value}.")
        self.eta, self.min_epochs = eta, min_epochs

    def rungs(self, budget: Budget) -> tuple[int, ...]:
        """Return the epochs of the rungs under a budget, ascending."""
        epochs, known = budget.epochs, getattr(self.evaluator.unwrapped, "fidelities", None)
        possible: Iterable[int] = range(1, epochs + 1) if known is None else known
        return rungs_of([x for x in possible if self.min_epochs <= x < epochs] + [epochs], self.eta)

    def check(self, budget: Budget) -> None:
        """Refuse a budget of which the evaluator inside refuses a rung."""
        for epochs in self.rungs(budget):
            self.evaluator.check(budget.at_fidelity(epochs))

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return the last evaluation of each candidate, in order; equal ones are one."""
        keys = [self.identity(candidate) for candidate in candidates]
        alive: dict[Any, Candidate] = {}
        for key, candidate in zip(keys, candidates, strict=True):
            alive.setdefault(key, candidate)
        found: dict[Any, Evaluation] = {}
        for epochs in self.rungs(budget):
            if not alive or (len(alive) == 1 and epochs < budget.epochs):
                continue
            rung = budget.at_fidelity(epochs)
            answers = self.evaluator.evaluate(list(alive.values()), rung)
            latest = dict(zip(alive, answers, strict=True))
            for key in found.keys() & latest.keys():
                if not self.evaluator.continues(alive[key]):
                    latest[key] = with_cost_of(found[key], latest[key])
            found |= latest
            promoted = self._promoted(latest)
            alive = {key: alive[key] for key in alive if key in promoted}
        return [found[key] for key in keys]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Begin the evaluation of one candidate in full and return its future."""
        return self.evaluator.submit(candidate, budget)

    def _promoted(self, latest: dict[Any, Evaluation]) -> set[Any]:
        """Return the keys that go on to the next rung."""
        scores = {key: self.objective.score(x) for key, x in latest.items() if x.ok}
        ranked = sorted(scores, key=lambda key: -scores[key])  # stable: the earlier of equals
        return set(ranked[: max(1, len(latest) // self.eta)])


@EVALUATORS.register("halving")
def halving(
    task: Task,
    device: str = "auto",
    precision: str = "float32",
    latency: Latency | Mapping[str, Any] | bool | None = None,
) -> Halving:
    """Return successive halving over a training that continues networks, in a temporary folder.

    Args:
        task: What networks are trained for.
        device: See `nas_env.evaluators.training.Training`.
        precision: See there.
        latency: See there.
    """
    return Halving(continued_training(task, device, precision, latency))


def rungs_of(fidelities: Sequence[int], eta: int) -> tuple[int, ...]:
    """Return the rungs among ascending fidelities: the highest, and others far enough below.

    Below each is the highest that is at most one `eta`-th of it, or else the lowest of all.

    Example:
        >>> rungs_of([1, 2, 3, 4, 5, 6], eta=3)
        (1, 2, 6)
    """
    rungs = list(fidelities[-1:])
    while rungs and rungs[0] > fidelities[0]:
        low = [x for x in fidelities if x * eta <= rungs[0]]
        rungs.insert(0, max(low, default=fidelities[0]))
    return tuple(rungs)
