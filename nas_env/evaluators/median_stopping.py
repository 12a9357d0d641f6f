"""`MedianStopping`: a training that goes worse than most did is stopped."""

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

SHARES = (4, 2)  # looks at a quarter and at half of the epochs unless told otherwise


@dataclass
class Course:
    """How far one candidate has come.

    Attributes:
        candidate: The candidate.
        key: What makes it the same as another.
        stops: Epochs at which it is still to be evaluated, ascending.
        scores: The score after each epoch that was reported.
        last: Its last evaluation.
    """

    candidate: Candidate
    key: Any
    stops: list[int]
    scores: dict[int, float] = field(default_factory=dict)
    last: Evaluation | None = None

    def cost(self, evaluation: Evaluation, continued: bool) -> None:
        """Take an evaluation for the last one; one that began anew cost those before as well."""
        before = None if continued else self.last
        self.last = evaluation if before is None else with_cost_of(before, evaluation)

    def report(self, evaluation: Evaluation, epochs: int, objective: Objective) -> None:
        """Take the evaluation at an epoch; each point of a whole curve is a report."""
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

    At each of some epochs, a candidate stops where its best score so far is strictly below the
    median, over all candidates that were completed before, of the mean of their scores up to that
    epoch. Its answer is then its evaluation at that epoch, on the schedule of the whole budget.
    Scores are the objective's, of every epoch of the curve, or of the epochs that were asked for
    where there is none (tables).

    Candidates of one batch are evaluated together from stop to stop and compared with those
    completed before the batch; single ones and streams one by one, several at once where the
    evaluator inside has slots. What is asked again has the answer it had. Completed candidates are
    remembered by this object alone: the same evaluations in the same order, say from a store, make
    the same decisions. Over `Training` with checkpoints, networks are continued; without, and where
    weights are inherited, training begins anew at each stop. Epochs and seconds of an evaluation
    are those of all its stops either way.

    Reference: Golovin, Solnik, Moitra, Kochanski, Karro and Sculley, "Google Vizier: A Service for
    Black-Box Optimization", KDD 2017, the median stopping rule.

    Args:
        evaluator: Who is asked at each stop.
        objective: What is scored, or its name; None: that of the environment whose store is put
            inside, accuracy until then.
        epochs: Epochs at which a candidate may stop; None: a quarter and half of the budget's.
        min_completed: Nobody stops before so many are completed under a budget.

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
                given = min_completed if name == "min_completed" else list(values)
                raise InvalidSettingError(f"Setting {name} must be >= 1, but is {given}.")
        self.epochs = None if epochs is None else tuple(sorted(set(epochs)))
        self.min_completed = min_completed
        self._averages: dict[tuple[str, int], list[float]] = {}  # of the completed, at each stop
        self._ended: dict[tuple[Any, Budget], int] = {}  # the epochs that each was given
        self._lock = threading.Lock()

    def stops(self, budget: Budget) -> list[int]:
        """Return the epochs of a candidate's evaluations, ascending; the last is the budget's."""
        most = budget.epochs
        if self.epochs is not None:
            return [x for x in self.epochs if x < most] + [most]
        known = getattr(self.evaluator.unwrapped, "fidelities", None) or range(1, most + 1)
        near = {max((x for x in known if x <= most // n), default=most) for n in SHARES}
        return sorted(near | {most})

    def check(self, budget: Budget) -> None:
        """Refuse a budget of which the evaluator inside refuses a stop."""
        for epochs in self.stops(budget):
            self.evaluator.check(budget.at_fidelity(epochs))

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return the last evaluation of each candidate, in order; equal ones are one."""
        courses: dict[Any, Course] = {}
        for candidate in candidates:
            courses.setdefault(self.identity(candidate), self._course(candidate, budget))
        for epochs in self.stops(budget):
            asked = [x for x in courses.values() if x.stops[:1] == [epochs]]
            if asked:
                stop = budget.at_fidelity(epochs)
                answers = self.evaluator.evaluate([x.candidate for x in asked], stop)
                for course, answer in zip(asked, answers, strict=True):
                    self._take(course, answer, budget)
        found = (courses[self.identity(x)].last for x in candidates)
        return [evaluation for evaluation in found if evaluation is not None]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Begin an evaluation and return its future; it goes from stop to stop by itself."""
        answer: Future[Evaluation] = Future()
        self._go_on(self._course(candidate, budget), budget, answer)
        return answer

    def _go_on(self, course: Course, budget: Budget, answer: Future[Evaluation]) -> None:
        future = self.evaluator.submit(course.candidate, budget.at_fidelity(course.stops[0]))
        future.add_done_callback(partial(self._arrive, course, budget, answer))

    def _arrive(
        self, course: Course, budget: Budget, answer: Future[Evaluation], done: Future[Evaluation]
    ) -> None:
        """Take what came out of a stop, and go on to the next or answer."""
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
        """Enter an evaluation, and clear the stops that are left where it is the last."""
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
        """Remember where a candidate ended; one that was completed counts for those after it."""
        if (course.key, budget) in self._ended:
            return
        self._ended[course.key, budget] = epochs
        if epochs == budget.epochs:
            for stop in self.stops(budget)[:-1]:
                averages = self._averages.setdefault((budget.text, stop), [])
                averages.append(fmean(course.until(stop)))

    def _lags(self, course: Course, epochs: int, budget: Budget) -> bool:
        """Return whether a candidate stops at an epoch."""
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
    """Return median stopping over a training that continues networks, in a temporary folder.

    Args:
        task: What networks are trained for.
        device: See `nas_env.evaluators.training.Training`.
        precision: See there.
        latency: See there.
    """
    return MedianStopping(continued_training(task, device, precision, latency))
