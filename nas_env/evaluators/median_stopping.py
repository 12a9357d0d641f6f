"""`MedianStopping`: stops trainings that perform worse than the median."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean, median
from typing import Any

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators._stopping import EarlyStopping, continued_training
from nas_env.evaluators.base import EVALUATORS, Evaluator, with_cost_of
from nas_env.evaluators.latency import Latency
from nas_env.objectives import Objective
from nas_env.tasks import Task

SHARES = (4, 2)  # by default, stops at a quarter and at half of the epochs


@dataclass
class Course:
    """The progress of one candidate.

    Attributes:
        candidate: The candidate.
        key: Key that is equal for equal candidates.
        stops: Epochs of the remaining evaluations, ascending.
        scores: Score after each reported epoch.
        last: The last evaluation.
    """

    candidate: Candidate
    key: Any
    stops: list[int]
    scores: dict[int, float] = field(default_factory=dict)
    last: Evaluation | None = None

    def cost(self, evaluation: Evaluation, continued: bool) -> None:
        """Set the last evaluation; if training restarted, add the cost of the earlier ones."""
        before = None if continued else self.last
        self.last = evaluation if before is None else with_cost_of(before, evaluation)

    def report(self, evaluation: Evaluation, epochs: int, objective: Objective) -> None:
        """Record the score at an epoch, or at each epoch if the curve is complete."""
        if evaluation.ok and len(evaluation.curve) == evaluation.epochs > 0:
            for epoch, point in enumerate(evaluation.curve, 1):
                then = replace(evaluation, metrics={**evaluation.metrics, **point})
                self.scores[epoch] = objective.score(then)
        elif evaluation.ok:
            self.scores[epochs] = objective.score(evaluation)

    def until(self, epochs: int) -> list[float]:
        """Return the scores reported up to an epoch."""
        return [score for epoch, score in self.scores.items() if epoch <= epochs]


class MedianStopping(EarlyStopping):
    """Stops a candidate whose best score so far is below the median of the others' averages.

    At each stop, the best score of the candidate so far is compared with the scores of all
    candidates completed earlier. Each completed candidate contributes the mean of its scores up to
    that epoch. The candidate stops if its best score is strictly below the median of these means.
    Its result is then the evaluation at that epoch, on the schedule of the whole budget. Scores
    are those of the objective at every epoch of the curve, or at the evaluated epochs if there is
    no curve (tables).

    Candidates of one batch are evaluated together from stop to stop, and compared with those
    completed before the batch. Single candidates and streams are evaluated individually, several
    at once if the wrapped evaluator has several slots. A repeated candidate gets the same result.
    Completed candidates are kept in this object only. The same evaluations in the same order, for
    example from a store, lead to the same decisions. `Training` with checkpoints continues
    networks from stop to stop. Without checkpoints, and for networks with inherited weights,
    training restarts at each stop. In both cases, the epochs and seconds of an evaluation include
    all its stops.

    Reference: Golovin, Solnik, Moitra, Kochanski, Karro and Sculley, "Google Vizier: A Service for
    Black-Box Optimization", KDD 2017, the median stopping rule.

    Args:
        evaluator: Evaluator used at each stop.
        objective: Objective that scores candidates, or its name. None: the environment's own, or
            accuracy outside an environment.
        epochs: Epochs at which a candidate may stop. None: a quarter and half of the budget's.
        min_completed: Minimum number of completed candidates under a budget before any is stopped.

    Raises:
        InvalidSettingError: A setting is out of its range.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        objective: str | Objective | None = None,
        epochs: Sequence[int] | None = None,
        min_completed: int = 5,
    ) -> None:
        super().__init__(evaluator, objective)
        for name, values in (("min_completed", [min_completed]), ("epochs", epochs or ())):
            if not all(value >= 1 for value in values):
                setting = min_completed if name == "min_completed" else list(values)
                raise InvalidSettingError(f"Setting {name} must be >= 1, got {setting}.")
        self.epochs = None if epochs is None else tuple(sorted(set(epochs)))
        self.min_completed = min_completed
        self._averages: dict[
            tuple[str, int], list[float]
        ] = {}  # of completed candidates, at each stop
        self._ended: dict[tuple[Any, Budget], int] = {}  # epochs of each ended candidate
        self._lock = threading.Lock()

    def stops(self, budget: Budget) -> list[int]:
        """Return the epochs of a candidate's evaluations, ascending; the last is the budget's."""
        most = budget.epochs
        if self.epochs is not None:
            return [x for x in self.epochs if x < most] + [most]
        fidelities = getattr(self.evaluator.unwrapped, "fidelities", None) or range(1, most + 1)
        near = {max((x for x in fidelities if x <= most // n), default=most) for n in SHARES}
        return sorted(near | {most})

    def check(self, budget: Budget) -> None:
        """Raise if the wrapped evaluator does not support a stop of a budget."""
        for epochs in self.stops(budget):
            self.evaluator.check(budget.at_fidelity(epochs))

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return the last evaluation of each candidate, in order; duplicates are evaluated once."""
        courses: dict[Any, Course] = {}
        for candidate in candidates:
            courses.setdefault(self.identity(candidate), self._course(candidate, budget))
        for epochs in self.stops(budget):
            due = [x for x in courses.values() if x.stops[:1] == [epochs]]
            if due:
                stop = budget.at_fidelity(epochs)
                answers = self.evaluator.evaluate([x.candidate for x in due], stop)
                for course, answer in zip(due, answers, strict=True):
                    self._take(course, answer, budget)
        results = (courses[self.identity(x)].last for x in candidates)
        return [evaluation for evaluation in results if evaluation is not None]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Start an evaluation and return its future; each stop starts the next one."""
        answer: Future[Evaluation] = Future()
        self._go_on(self._course(candidate, budget), budget, answer)
        return answer

    def _go_on(self, course: Course, budget: Budget, answer: Future[Evaluation]) -> None:
        future = self.evaluator.submit(course.candidate, budget.at_fidelity(course.stops[0]))
        future.add_done_callback(partial(self._arrive, course, budget, answer))

    def _arrive(
        self, course: Course, budget: Budget, answer: Future[Evaluation], done: Future[Evaluation]
    ) -> None:
        """Process the evaluation of a stop; continue to the next stop or set the result."""
        if answer.cancelled():
            return
        try:
            self._take(course, done.result(), budget)
            over = not course.stops
            if not over:
                self._go_on(course, budget, answer)
        except BaseException as error:
            answer.set_exception(error)
        else:
            if over and course.last is not None:
                answer.set_result(course.last)

    def _take(self, course: Course, evaluation: Evaluation, budget: Budget) -> None:
        """Record an evaluation, and clear the remaining stops if it is the last."""
        epochs = course.stops.pop(0)
        course.cost(evaluation, self.evaluator.continues(course.candidate))
        course.report(evaluation, epochs, self.objective)
        with self._lock:
            if not evaluation.ok:
                course.stops.clear()
            elif not course.stops:
                self._end(course, epochs, budget)
            elif self._lags(course, epochs, budget):
                course.stops.clear()
                self._end(course, epochs, budget)

    def _end(self, course: Course, epochs: int, budget: Budget) -> None:
        """Record the last epoch of a candidate, and its averages if it was completed."""
        if (course.key, budget) in self._ended:
            return
        self._ended[course.key, budget] = epochs
        if epochs == budget.epochs:
            for stop in self.stops(budget)[:-1]:
                averages = self._averages.setdefault((budget.text, stop), [])
                averages.append(fmean(course.until(stop)))

    def _lags(self, course: Course, epochs: int, budget: Budget) -> bool:
        """Return whether a candidate must stop at an epoch."""
        others = self._averages.get((budget.text, epochs), [])
        return len(others) >= self.min_completed and max(course.until(epochs)) < median(others)

    def _course(self, candidate: Candidate, budget: Budget) -> Course:
        key = self.identity(candidate)
        ended = self._ended.get((key, budget))
        return Course(candidate, key, self.stops(budget) if ended is None else [ended])

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


@EVALUATORS.register("median-stopping")
def median_stopping(
    task: Task,
    device: str = "auto",
    precision: str = "float32",
    latency: Latency | Mapping[str, Any] | bool | None = None,
) -> MedianStopping:
    """Create median stopping over `Training` with checkpoints in a temporary folder.

    Args:
        task: The task that networks are trained for.
        device: See `nas_env.evaluators.training.Training`.
        precision: See there.
        latency: See there.
    """
    return MedianStopping(continued_training(task, device, precision, latency))
