"""`MedianStopping`: whom the rule stops, and that the same evaluations decide the same."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Cached, MedianStopping, with_store
from nas_env.evaluators.tabular import Tabular
from nas_env.evaluators.training import Training
from nas_env.objectives import Accuracy
from nas_env.spaces import SearchSpace
from nas_env.store import MemoryStore
from nas_env.tables import TABLES, TableTask
from nas_env.tasks import Task
from tests.nas_env.evaluators.fidelity_doubles import Written, network, three, trained_recipes

FOUR = Budget(epochs=4)
# Running averages of the three completed ones after two epochs: 0.3, 0.4, 0.5. Their median: 0.4.
DONE = {1: [0.2, 0.4, 0.5, 0.6], 2: [0.3, 0.5, 0.6, 0.7], 3: [0.4, 0.6, 0.7, 0.8]}


def after_three(
    more: dict[int, Sequence[float]], by_curve: bool = True, **settings: Any
) -> tuple[MedianStopping, Written]:
    """Return an evaluator that looks after two of four epochs and has completed three."""
    written = Written({**DONE, **more}, by_curve)
    stopping = MedianStopping(written, epochs=[2], **{"min_completed": 3, **settings})
    for width in DONE:
        assert stopping.evaluate([network(width)], FOUR)[0].epochs == 4
    written.calls.clear()
    return stopping, written


@pytest.mark.parametrize(
    ("curve", "epochs"),
    [
        ([0.1, 0.39, 0.9, 0.9], 2),  # its best so far is below the median of the averages
        ([0.1, 0.40, 0.9, 0.9], 4),  # equal is not below
        ([0.41, 0.1, 0.1, 0.1], 4),  # the best so far counts, not the latest
        ([0.1, 0.45, 0.0, 0.0], 4),  # below all of their latest scores, above the averages
        ([0.3, 0.39, 0.9, 0.9], 2),
    ],
)
def test_the_rule(curve: list[float], epochs: int) -> None:
    stopping, written = after_three({4: curve})
    found = stopping.evaluate([network(4)], FOUR)[0]
    assert found.epochs == len(found.curve) == epochs
    assert found.metrics["accuracy"] == curve[epochs - 1]
    assert written.asked == ([(2, [4])] if epochs == 2 else [(2, [4]), (4, [4])])
    assert {budget.schedule_epochs for budget, _ in written.calls} == {4}


def test_without_curves_the_reports_are_those_asked_for() -> None:
    """After two epochs the completed ones have reported 0.4, 0.5, 0.6 alone."""
    stopping, _ = after_three({4: [0.9, 0.49, 1, 1], 5: [0, 0.5, 1, 1]}, by_curve=False)
    assert [stopping.evaluate([network(x)], FOUR)[0].epochs for x in (4, 5)] == [2, 4]


def test_nobody_stops_before_enough_are_completed() -> None:
    bad = {x: [0.01] * 4 for x in (4, 5, 6)}
    stopping, _ = after_three(bad, min_completed=5)
    epochs = [stopping.evaluate([network(x)], FOUR)[0].epochs for x in (4, 5, 6)]
    assert epochs == [4, 4, 2]
    stopping, _ = after_three(bad, min_completed=4)
    assert [stopping.evaluate([network(x)], FOUR)[0].epochs for x in (4, 5)] == [4, 2]


def test_stopped_and_failed_ones_are_not_completed() -> None:
    low = {x: [0.01] * 4 for x in (4, 5, 6)} | {7: [-1.0] * 4, 8: [0.1, 0.39, 1, 1]}
    stopping, written = after_three(low)
    found = [stopping.evaluate([network(x)], FOUR)[0] for x in (4, 5, 6, 7, 8)]
    assert [x.epochs for x in found] == [2, 2, 2, 0, 2]  # the median is still 0.4
    assert found[3].outcome is Outcome.DIVERGED
    assert written.asked == [(2, [x]) for x in (4, 5, 6, 7, 8)]


def test_one_that_fails_later_is_the_failure() -> None:
    stopping, written = after_three({4: [0.5, 0.5, -1.0, 0.5]})
    assert stopping.evaluate([network(4)], FOUR)[0].outcome is Outcome.DIVERGED
    assert written.asked == [(2, [4]), (4, [4])]


def test_a_batch_goes_from_stop_to_stop_together() -> None:
    more = {4: [0.1] * 4, 5: [0.9] * 4, 6: [0.2] * 4}
    stopping, written = after_three(more)
    found = stopping.evaluate([network(x) for x in (4, 5, 4, 6, 1)], FOUR)
    assert [x.epochs for x in found] == [2, 4, 2, 2, 4]
    assert found[0] == found[2]
    assert written.asked == [(2, [4, 5, 6]), (4, [5, 1])]  # 1 was completed before
    assert stopping.evaluate([], FOUR) == []


def test_a_first_batch_has_nobody_to_be_compared_with() -> None:
    written = Written({x: [x / 10] * 4 for x in range(1, 10)})
    stopping = MedianStopping(written, min_completed=1)
    found = stopping.evaluate([network(x) for x in range(1, 10)], FOUR)
    assert [x.epochs for x in found] == [4] * 9


def test_what_is_asked_again_has_the_answer_it_had_and_counts_once() -> None:
    stopping, written = after_three({4: [0.1] * 4, 5: [0.39] * 4})
    first = stopping.evaluate([network(4), network(3)], FOUR)
    for _ in range(9):  # were 1 counted each time, the median would be 0.3
        stopping.evaluate([network(1)], FOUR)
    assert stopping.evaluate([network(4), network(3)], FOUR) == first
    assert written.asked[-2:] == [(2, [4]), (4, [3])]
    assert stopping.evaluate([network(5)], FOUR)[0].epochs == 2


def test_other_budgets_have_medians_of_their_own() -> None:
    stopping, _ = after_three({4: [0.1] * 5, 5: [0.1] * 5})
    longer = stopping.evaluate([network(4)], Budget(epochs=4, horizon=5))[0]
    assert longer.epochs == 4
    seeded = stopping.evaluate([network(4)], replace(FOUR, training_seed=1))[0]
    assert seeded.epochs == 2  # another training seed is the same race


@pytest.mark.parametrize(
    ("epochs", "given", "stops"),
    [
        (8, None, [2, 4, 8]),
        (4, None, [1, 2, 4]),
        (2, None, [1, 2]),
        (1, None, [1]),
        (3, None, [1, 3]),
        (4, [3, 1, 3, 7], [1, 3, 4]),
        (2, [], [2]),
    ],
)
def test_stops(epochs: int, given: list[int] | None, stops: list[int]) -> None:
    assert MedianStopping(Written({}), epochs=given).stops(Budget(epochs=epochs)) == stops


def test_stops_are_epochs_that_a_table_knows() -> None:
    table = TABLES.get("nasbench201")(dataset="cifar10")
    tabular = Tabular(TableTask(table), fidelity=200)
    assert MedianStopping(tabular).stops(Budget(epochs=200)) == [12, 200]
    MedianStopping(tabular).check(Budget(epochs=200))
    with pytest.raises(InvalidSettingError, match="no fidelity of 7 epochs"):
        MedianStopping(tabular, epochs=[7]).check(Budget(epochs=200))


def test_the_rule_over_a_table_is_the_rule_by_hand() -> None:
    table = TABLES.get("chain-bench")()
    space, rng = table.make_space(None), np.random.default_rng(3)
    walks = dict.fromkeys(space.sample(rng) for _ in range(100))
    batch = [space.decode(walk) for walk in list(walks)[:60]]
    tabular = Tabular(TableTask(table))
    stopping = MedianStopping(tabular, epochs=[1, 2, 3], min_completed=4)
    found = [stopping.evaluate([x], Budget(epochs=6))[0].epochs for x in batch]
    completed: list[list[float]] = []
    expected = []
    for candidate in batch:
        scores = [
            tabular.evaluate([candidate], Budget(epochs=k))[0].metrics["accuracy"]
            for k in (1, 2, 3)
        ]
        for k in (1, 2, 3):
            others = [fmean(x[:k]) for x in completed]
            if len(others) >= 4 and max(scores[:k]) < median(others):
                expected.append(k)
                break
        else:
            completed.append(scores)
            expected.append(6)
    assert len(batch) == 60
    assert found == expected
    assert {1, 6} < set(found)


def test_the_objective_decides(make_env: Callable[..., Any]) -> None:
    written = Written({x: [0.8] * 4 for x in (10, 20, 30, 900_000)})
    stopping = MedianStopping(written, "accuracy-under-cost", [2], 3)
    epochs = [stopping.evaluate([network(x)], FOUR)[0].epochs for x in written.curves]
    assert epochs == [4, 4, 4, 2]
    env = make_env(evaluator=MedianStopping(Written({})), objective="accuracy-under-cost")
    assert env.unwrapped.evaluator.objective is env.unwrapped.objective


# ---- several at once, and again ----


def test_submitted_ones_go_from_stop_to_stop_by_themselves() -> None:
    written = Written({**DONE, 4: [0.1] * 4, 5: [0.9] * 4}, slots=2)
    stopping = MedianStopping(written, epochs=[2], min_completed=3)
    assert stopping.slots == 2
    for width in DONE:
        future = stopping.submit(network(width), FOUR)
        for _ in range(2):
            assert not future.done()
            written.finish(0)
        assert future.result().epochs == 4
    bad, good = (stopping.submit(network(x), FOUR) for x in (4, 5))
    written.finish(0)
    assert bad.result().epochs == 2
    assert [budget.epochs for _, _, budget in written.running] == [2]
    written.finish(0)
    assert not good.done()
    written.finish(0)
    assert good.result().epochs == 4
    assert written.running == []


def test_an_error_inside_is_the_futures(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping, written = after_three({4: [0.9] * 4})
    future = stopping.submit(network(4), FOUR)
    assert future.result().epochs == 4
    monkeypatch.setattr(written, "evaluate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stopping.submit(network(4), FOUR)
    slow = Written(DONE, slots=2)
    future = MedianStopping(slow).submit(network(1), FOUR)
    slow.running[0][0].set_exception(MemoryError())
    assert isinstance(future.exception(), MemoryError)


def test_a_stream_is_one_after_the_other() -> None:
    stopping, _ = after_three({4: [0.1] * 4, 5: [0.9] * 4})
    found = dict(stopping.stream([network(4), network(5)], FOUR))
    assert [found[0].epochs, found[1].epochs] == [2, 4]


def test_replaying_a_store_decides_the_same() -> None:
    rng = np.random.default_rng(0)
    lines = rng.random((60, 2))
    curves = {x: [(a + b * t) / 10 for t in range(8)] for x, (a, b) in enumerate(lines)}
    store, written = MemoryStore(), Written(curves)
    budget = Budget(epochs=8)

    def replay(count: int) -> list[Evaluation]:
        stopping = with_store(MedianStopping(written), store, Accuracy(), False)
        assert isinstance(stopping, MedianStopping) and isinstance(stopping.evaluator, Cached)
        return [stopping.evaluate([network(x)], budget)[0] for x in range(1, count)]

    first = replay(40)
    written.calls.clear()
    again = replay(60)
    assert again[: len(first)] == first
    assert all(min(widths) >= 40 for _, widths in written.asked), "stored ones were asked again"
    assert {x.epochs for x in first} == {2, 4, 8}


def test_a_pickle_remembers() -> None:
    stopping, _ = after_three({4: [0.1] * 4})
    back = pickle.loads(pickle.dumps(stopping))
    assert back.evaluate([network(4)], FOUR)[0].epochs == 2


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InvalidSettingError, match="min_completed must be >= 1, got 0"):
        MedianStopping(Written({}), min_completed=0)
    with pytest.raises(InvalidSettingError, match=r"epochs must be >= 1, got \[2, 0\]"):
        MedianStopping(Written({}), epochs=[2, 0])


def test_over_training_each_epoch_is_trained_once(
    tmp_path: Path,
    make_task: Callable[[str], Task],
    make_space: Callable[..., SearchSpace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nas_env.tasks._loop import Loop

    trained: list[int] = []
    original = Loop._epoch
    monkeypatch.setattr(Loop, "_epoch", lambda *x: trained.append(x[1]) or original(*x))
    task, space = make_task("wine"), make_space("mlp", (13,), 3)
    rng = np.random.default_rng(0)
    batch = [space.decode(space.sample(rng)) for _ in range(12)]
    training = Training(task, "cpu", checkpoints=tmp_path)
    stopping = MedianStopping(training, min_completed=3)
    found = [stopping.evaluate([x], FOUR)[0] for x in batch]
    assert len(trained) == sum(x.epochs for x in found) < 12 * 4
    plain = Training(task, "cpu")
    for candidate, evaluation in zip(batch, found, strict=True):
        whole = plain.evaluate([candidate], FOUR)[0]
        assert evaluation.curve == whole.curve[: evaluation.epochs]


@pytest.mark.parametrize("inherited", [False, True])
def test_epochs_that_were_trained_again_are_charged(
    inherited: bool,
    tmp_path: Path,
    make_task: Callable[[str], Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without checkpoints, and with a parent's weights, each stop begins anew."""
    recipes = trained_recipes(monkeypatch)
    training = Training(make_task("wine"), "cpu", checkpoints=tmp_path if inherited else None)
    recipe, batch = three(inherited)
    stopping = MedianStopping(training, epochs=[1], min_completed=2)
    submitted = [stopping.submit(x, Budget(epochs=2)).result() for x in batch[:2]]
    found = [*submitted, *stopping.evaluate(batch[2:], Budget(epochs=2))]
    assert [x.epochs for x in found[:2]] == [1 + 2, 1 + 2]
    assert [len(x.curve) for x in found[:2]] == [2, 2]
    assert recipes.count(recipe) == sum(x.epochs for x in found)
