"""`submit` and `stream`: lazily taken, delivered as they complete, kept by the store at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import StoreError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Cached, Evaluator, EvaluatorWrapper, with_store
from nas_env.objectives import Accuracy
from nas_env.store import MemoryStore, Record, SQLStore, Store

BUDGET = Budget(epochs=1)


class Slow(Evaluator):
    """Two at once; the network of one unit is done when that of four units is begun."""

    slots = 2

    def __init__(self) -> None:
        self.fingerprint = "slow"
        self._first: Future[Evaluation] = Future()

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        return [Evaluation(Outcome.OK, {"accuracy": width(x) / 100}) for x in candidates]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        if width(candidate) == 1:
            return self._first
        if width(candidate) == 4:
            self._first.set_result(self.evaluate([network(1)], budget)[0])
        return super().submit(candidate, budget)


class Flaky(Evaluator):
    """Fails at first."""

    def __init__(self, failures: int) -> None:
        self.fingerprint = "flaky"
        self.failures, self.asked = failures, 0

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        self.asked += len(candidates)
        if self.asked <= self.failures:
            return [Evaluation(Outcome.TIMEOUT, message=f"try {self.asked}") for _ in candidates]
        return [Evaluation(Outcome.OK, {"accuracy": 0.5}) for _ in candidates]


def network(units: int) -> Candidate:
    return Candidate(Architecture((Layer.of("linear", units=units),)))


def width(candidate: Candidate) -> int:
    return int(candidate.architecture.layers[0]["units"])


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SQLStore(tmp_path / "store.sqlite")


@pytest.mark.parametrize("cached", [False, True])
def test_what_takes_long_holds_nobody_up_and_nothing_is_taken_early(cached: bool) -> None:
    taken = []

    def proposals() -> Iterator[Candidate]:
        for units in (1, 2, 3, 4, 5):
            taken.append(units)
            yield network(units)

    slow = Slow()
    evaluator = Cached(slow, MemoryStore()) if cached else slow
    story = [
        (index + 1, found.metrics["accuracy"], list(taken))
        for index, found in evaluator.stream(proposals(), BUDGET)
    ]
    assert story[:2] == [(2, 0.02, [1, 2]), (3, 0.03, [1, 2, 3])]
    assert sorted(story[2:4]) == [(1, 0.01, [1, 2, 3, 4]), (4, 0.04, [1, 2, 3, 4])]
    assert story[4:] == [(5, 0.05, [1, 2, 3, 4, 5])]


def test_a_generator_sees_what_came_out_before_it_is_asked_again(store: Store) -> None:
    known: list[int] = []
    cached = Cached(Flaky(failures=0), store)
    cached.evaluate([network(8)], BUDGET)

    def proposals() -> Iterator[Candidate]:
        for position, units in enumerate((8, 9, 8, 9)):  # found, new, found, found
            assert known == list(range(position))
            yield network(units)

    for index, found in cached.stream(proposals(), BUDGET):
        known.append(index)
        assert found.ok
    assert known == [0, 1, 2, 3]
    assert len(store) == 2


class Late(Evaluator):
    """Has two slots; its evaluations are done when the test says so."""

    slots = 2

    def __init__(self) -> None:
        self.fingerprint = "late"
        self.begun: list[Future[Evaluation]] = []

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        raise NotImplementedError

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        self.begun.append(Future())
        return self.begun[-1]


def test_what_is_submitted_again_before_the_store_has_it_is_evaluated_once() -> None:
    """It is done in the worker already, but the store takes its time, as one that is away does."""
    writing, release = threading.Event(), threading.Event()

    class Away(MemoryStore):
        def put(self, record: Record, replace: bool = False) -> None:
            writing.set()
            assert release.wait(30)
            super().put(record, replace)

    late, done = Late(), Evaluation(Outcome.OK, {"accuracy": 0.5})
    cached = Cached(late, Away())
    first, given_up = cached.submit(network(8), BUDGET), cached.submit(network(8), BUDGET)
    assert given_up.cancel()
    thread = threading.Thread(target=lambda: late.begun[0].set_result(done))
    thread.start()
    assert writing.wait(30)
    second = cached.submit(network(8), BUDGET)
    assert second is not first and not second.done()
    release.set()
    thread.join()
    assert (first.result(0), second.result(0)) == (done, done)
    assert cached.submit(network(8), BUDGET).result(0) == done
    assert len(late.begun) == 1


def test_an_error_reaches_all_who_wait_and_the_next_one_begins_anew() -> None:
    late = Late()
    cached = Cached(late, MemoryStore())
    futures = [cached.submit(network(8), BUDGET) for _ in range(2)]
    late.begun[0].set_exception(MemoryError())
    assert [type(x.exception(0)) for x in futures] == [MemoryError] * 2
    cached.submit(network(8), BUDGET)
    assert len(late.begun) == 2


def test_an_error_of_the_store_reaches_who_asked() -> None:
    class Full(MemoryStore):
        def put(self, record: Record, replace: bool = False) -> None:
            raise StoreError("The disk is full.")

    cached = Cached(Flaky(failures=0), Full())
    with pytest.raises(StoreError, match="full"):
        cached.submit(network(8), BUDGET).result()
    with pytest.raises(StoreError, match="full"):
        list(cached.stream([network(8)], BUDGET))


def test_failures_are_tried_again_once_where_that_is_asked_for(store: Store) -> None:
    def ask(retry_failed: bool, failures: int) -> tuple[str, int]:
        flaky = Flaky(failures)
        cached = with_store(flaky, store, Accuracy(), retry_failed)
        assert isinstance(cached, Cached)
        found = [cached.evaluate([network(8)], BUDGET)[0] for _ in range(3)]
        assert len({x.message for x in found}) == 1
        return found[0].message, flaky.asked

    assert ask(retry_failed=False, failures=1) == ("try 1", 1)
    assert ask(retry_failed=False, failures=1) == ("try 1", 0)
    assert ask(retry_failed=True, failures=9) == ("try 1", 1)
    assert ask(retry_failed=True, failures=0) == ("", 1)
    assert ask(retry_failed=True, failures=9) == ("", 0)
    assert len(store) == 1


def test_a_wrapper_and_what_it_wraps() -> None:
    slow = Slow()

    class Plain(EvaluatorWrapper):
        def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
            return self.evaluator.evaluate(candidates, budget)

    outer = Plain(Cached(slow, MemoryStore()))
    assert outer.unwrapped is slow
    assert (outer.slots, outer.fingerprint) == (2, "slow")
    assert with_store(outer.evaluator, MemoryStore(), Accuracy(), False) is outer.evaluator
