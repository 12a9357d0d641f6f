"""The interface of an evaluator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.objectives import Objective
from nas_env.registry import Registry


class Evaluator(ABC):
    """Turns candidates into evaluations.

    Attributes:
        fingerprint: Text that identifies everything that affects the results: task and split,
            training loop, precision, kind of device.
        free: Whether an evaluation is cheaper than a store lookup.
        draws: Whether an evaluation depends on the training seed that the environment draws at a
            seeded reset.
        by_walk: Whether each walk has its own evaluation, as in a table, even if two walks lead to
            the same network.
        simulates: Whether evaluations have the metric "simulated_seconds".
        measures_latency: Whether all successful evaluations have the metric "latency_ms", which
            latency objectives need.
        needs_batches: Whether the candidates of one call are compared with each other.
        slots: Number of evaluations that run at once.
    """

    fingerprint: str
    free: bool = False
    draws: bool = False
    by_walk: bool = False
    simulates: bool = False
    measures_latency: bool = False
    needs_batches: bool = False

    @property
    def slots(self) -> int:
        """Number of evaluations that run at once."""
        return 1

    @property
    def unwrapped(self) -> Evaluator:
        """The innermost evaluator, or this one if it is no wrapper."""
        return self

    def identity(self, candidate: Candidate) -> Hashable:
        """Return a key that is equal for candidates with the same evaluation."""
        return candidate.walk if self.by_walk else candidate.trained_key

    @abstractmethod
    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order.

        A network that fails gets a failure outcome; it never raises an exception.
        """

    def check(self, budget: Budget) -> None:  # noqa: B027 - most evaluators accept any budget
        """Raise if the evaluator does not support a budget; called at each reset.

        Raises:
            InvalidSettingError: The evaluator does not support the budget.
        """

    def continues(self, candidate: Candidate) -> bool:
        """Return whether a longer training of a candidate continues its earlier training."""
        return True

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Start an evaluation and return its future. The default evaluates immediately."""
        future: Future[Evaluation] = Future()
        future.set_result(self.evaluate([candidate], budget)[0])
        return future

    def stream(
        self, candidates: Iterable[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        """Yield (index, evaluation) in order of completion.

        The next candidate is requested when a slot is free and all completed evaluations have been
        yielded, so a generator of candidates can use all results so far.
        """
        source = enumerate(candidates)
        running: dict[Future[Evaluation], int] = {}
        more = True
        while True:
            done = [future for future in running if future.done()]
            while more and not done and len(running) < self.slots:
                index, candidate = next(source, (-1, None))
                more = candidate is not None
                if candidate is not None:
                    future = self.submit(candidate, budget)
                    running[future] = index
                    done = [future] if future.done() else []
            if not running:
                return
            for future in done or wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()

    def with_cache(self, cache: Cache, objective: Objective) -> Evaluator:
        """Return this evaluator wrapped in a cache, or unchanged if it is free.

        Evaluators that must not be cached put the cache around the evaluator that they wrap.
        `nas_env.evaluators.with_store` calls this with a cache that keeps evaluations in a store.

        Args:
            cache: Wraps an evaluator in a cache.
            objective: Objective of the environment.
        """
        return self if self.free else cache(self)

    def close(self) -> None:  # noqa: B027 - most have no resources
        """Release processes and connections; the next evaluation starts them again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def scores(
        self,
        tokens: NDArray[np.int64],
        objective: Objective,
        budget: Budget,
        training_seeds: NDArray[np.int64],
    ) -> NDArray[np.float64] | None:
        """Return the scores of many walks at once, or None if this is not supported.

        The scores equal those of the evaluations that `evaluate` returns.

        Args:
            tokens: (walks, max_length) the decisions of complete legal walks plus one, 0 after
                the last.
            objective: Objective that computes the scores.
            budget: Budget of one evaluation; its training seed is ignored.
            training_seeds: (walks,) the training seed of each walk.
        """
        return None


class EvaluatorWrapper(Evaluator):
    """Base class of evaluators that wrap another one and delegate to it.

    Args:
        evaluator: The wrapped evaluator.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.fingerprint = evaluator.fingerprint
        self.free, self.draws = evaluator.free, evaluator.draws
        self.by_walk, self.simulates = evaluator.by_walk, evaluator.simulates
        self.measures_latency = evaluator.measures_latency
        self.needs_batches = self.needs_batches or evaluator.needs_batches

    @property
    def unwrapped(self) -> Evaluator:
        """The innermost evaluator."""
        return self.evaluator.unwrapped

    @property
    def slots(self) -> int:
        """Number of evaluations that run at once."""
        return self.evaluator.slots

    def check(self, budget: Budget) -> None:
        """Raise if the wrapped evaluator does not support a budget."""
        self.evaluator.check(budget)

    def continues(self, candidate: Candidate) -> bool:
        """Return whether the wrapped evaluator continues the training of a candidate."""
        return self.evaluator.continues(candidate)

    def close(self) -> None:
        """Close the wrapped evaluator."""
        self.evaluator.close()


def failed(outcome: Outcome, message: str, seconds: float = 0.0) -> Evaluation:
    """Return the evaluation of a failed candidate."""
    return Evaluation(outcome, message=message, seconds=seconds)


def with_cost_of(earlier: Evaluation, later: Evaluation) -> Evaluation:
    """Return a later evaluation of a candidate with the cost of an earlier one added."""
    epochs, seconds = earlier.epochs + later.epochs, earlier.seconds + later.seconds
    return replace(later, epochs=epochs, seconds=seconds)


Cache = Callable[[Evaluator], Evaluator]
"""Wraps an evaluator in a cache."""

EvaluatorFactory = Callable[..., Evaluator]
"""Called with `task` (a Task), `device` and `precision`, by keyword."""

EVALUATORS: Registry[EvaluatorFactory] = Registry("evaluator", package="nas_env.evaluators")
