"""`Cached`: nothing is computed twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Cached, Evaluator
from nas_env.objectives import Accuracy
from nas_env.store import MemoryStore, SQLStore, Store
from tests.support.vector_doubles import Counted

BUDGET = Budget(epochs=1)


class Counting(Evaluator):
    """Gives the width as accuracy, and remembers what it was asked for."""

    def __init__(self, fingerprint: str = "counting", backwards: bool = False) -> None:
        self.fingerprint = fingerprint
        self.asked: list[int] = []
        self.backwards = backwards

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        widths = [x.architecture.layers[0]["units"] for x in candidates]
        self.asked += widths
        return [Evaluation(Outcome.OK, {"accuracy": width / 100}) for width in widths]

    def stream(
        self, candidates: Sequence[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        pairs = list(super().stream(candidates, budget))
        yield from reversed(pairs) if self.backwards else pairs


def network(units: int, **recipe: float) -> Candidate:
    return Candidate(Architecture((Layer.of("linear", units=units),)), Recipe(**recipe))  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SQLStore(tmp_path / "store.sqlite")


@pytest.mark.parametrize("backwards", [False, True])
def test_each_is_computed_once_and_the_order_is_kept(store: Store, backwards: bool) -> None:
    counting = Counting(backwards=backwards)
    cached = Cached(counting, store)
    widths = [8, 16, 8, 32, 16]
    found = cached.evaluate([network(x) for x in widths], BUDGET)
    assert [x.metrics["accuracy"] for x in found] == [x / 100 for x in widths]
    assert sorted(counting.asked) == [8, 16, 32]
    found = cached.evaluate([network(x) for x in (64, 32, 8)], BUDGET)
    assert [x.metrics["accuracy"] for x in found] == [0.64, 0.32, 0.08]
    assert sorted(counting.asked) == [8, 16, 32, 64]
    assert len(store) == 4


def test_nothing_is_computed_again_in_a_reopened_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    first, second = Counting(), Counting()
    before = Cached(first, SQLStore(path)).evaluate([network(8)], BUDGET)
    after = Cached(second, SQLStore(path)).evaluate([network(8)], BUDGET)
    assert before == after
    assert (first.asked, second.asked) == ([8], [])


@pytest.mark.parametrize(
    "other",
    [
        replace(BUDGET, epochs=2),
        replace(BUDGET, horizon=9),
        replace(BUDGET, training_seed=1),
        replace(BUDGET, max_seconds=60),
        replace(BUDGET, max_memory_mb=60),
    ],
    ids=["epochs", "horizon", "training_seed", "max_seconds", "max_memory_mb"],
)
def test_another_budget_is_another_evaluation(store: Store, other: Budget) -> None:
    counting = Counting()
    cached = Cached(counting, store)
    for budget in (BUDGET, other, BUDGET, other):
        cached.evaluate([network(8)], budget)
    assert counting.asked == [8, 8]


def test_another_fingerprint_or_recipe_is_another_evaluation(store: Store) -> None:
    one, two = Counting("one"), Counting("two")
    for _ in range(2):
        Cached(one, store).evaluate([network(8), network(8, learning_rate=0.5)], BUDGET)
        Cached(two, store).evaluate([network(8)], BUDGET)
    assert (one.asked, two.asked) == ([8, 8], [8])
    assert Cached(one, store).fingerprint == "one"


def test_failures_are_kept_too(store: Store) -> None:
    class Failing(Counting):
        def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
            super().evaluate(candidates, budget)
            return [Evaluation(Outcome.TIMEOUT, message="slow") for _ in candidates]

    failing = Failing()
    cached = Cached(failing, store)
    found = [cached.evaluate([network(8)], BUDGET)[0] for _ in range(2)]
    assert [x.message for x in found] == ["slow", "slow"]
    assert failing.asked == [8]


def test_what_was_done_before_an_interruption_is_kept(store: Store) -> None:
    class Interrupted(Counting):
        def stream(
            self, candidates: Sequence[Candidate], budget: Budget
        ) -> Iterator[tuple[int, Evaluation]]:
            yield 0, self.evaluate(candidates[:1], budget)[0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cached(Interrupted(), store).evaluate([network(8), network(16)], BUDGET)
    again = Counting()
    Cached(again, store).evaluate([network(8), network(16)], BUDGET)
    assert again.asked == [16]


def test_the_score_is_written_beside(tmp_path: Path) -> None:
    store = SQLStore(tmp_path / "store.sqlite")
    Cached(Counting(), store, Accuracy()).evaluate([network(8)], BUDGET)
    (row,) = store.rows()
    assert (row["score"], row["objective"]) == (0.08, Accuracy().describe())


def test_it_draws_training_seeds_where_its_evaluator_does() -> None:
    for draws in (False, True):
        counted = Counted(draws=draws)
        cached = Cached(counted, MemoryStore())
        assert cached.draws is draws
        tokens, seeds = np.ones((1, 3), dtype=np.int64), np.zeros(1, dtype=np.int64)
        assert counted.scores(tokens, Accuracy(), Budget(), seeds) is not None
        assert cached.scores(tokens, Accuracy(), Budget(), seeds) is None  # the store must know
