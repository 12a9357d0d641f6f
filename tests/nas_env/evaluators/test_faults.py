"""Whatever a network does to its process is an outcome, and harms no other evaluation."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nas_env
from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Cached, Parallel
from nas_env.evaluators.training import Training
from nas_env.objectives import Accuracy
from nas_env.store import EvaluationKey, SQLStore
from nas_env.tasks import Task
from nas_env.tasks._loop import DIVERGENCE_FACTOR

BUDGET = Budget(epochs=1, max_seconds=1.0)
MEMORY_MB = 300.0
NAMES = [
    *("tensors", "bytes", "batch", "loop", "call", "sleep", "nan", "explosion", "exit", "sys-exit"),
    *("segmentation", "kill", "forward", "backward", "init", "pipes"),
]


@pytest.fixture(scope="module")
def training(make_task: Callable[[str], Task]) -> Training:
    return Training(make_task("wine"), device="cpu")


@pytest.fixture(scope="module")
def parallel(faults: ModuleType, training: Training) -> Iterator[Parallel]:
    with Parallel(training, workers=2, worker_memory_mb=MEMORY_MB) as made:
        yield made


def numbers(evaluations: list[Evaluation]) -> list[Evaluation]:
    return [replace(x, seconds=0.0) for x in evaluations]


def inline(training: Training, candidates: list[Candidate]) -> list[Evaluation]:
    return numbers(training.evaluate(candidates, replace(BUDGET, max_seconds=60)))


def test_every_fault_is_tried(faults: ModuleType) -> None:
    assert set(NAMES) == set(faults.FAULTS) == set(faults.OUTCOMES)


@pytest.mark.parametrize("what", NAMES)
def test_a_fault_is_an_outcome_and_is_stored(
    what: str, faults: ModuleType, training: Training, parallel: Parallel, tmp_path: Path
) -> None:
    batch = [faults.sound(0), faults.faulty(what), faults.sound(1), faults.sound(2)]
    outcome, words = faults.OUTCOMES[what]
    budget = BUDGET if outcome is Outcome.TIMEOUT else replace(BUDGET, max_seconds=30.0)
    store = SQLStore(tmp_path / "store.sqlite")
    found = Cached(parallel, store, Accuracy()).evaluate(batch, budget)
    assert (found[1].outcome, words in found[1].message) == (outcome, True), found[1]
    if outcome is Outcome.OUT_OF_MEMORY:
        assert "Out of memory at batch size 64; out of memory at 32." in found[1].message
    sound = [batch[0], *batch[2:]]
    assert numbers([found[0], *found[2:]]) == inline(training, sound)
    stored = store.get(EvaluationKey.of(batch[1], parallel.fingerprint, budget))
    assert stored is not None
    assert (stored.outcome, stored.message) == (outcome, found[1].message)
    again = Cached(Refusing(parallel), store, Accuracy()).evaluate(batch, budget)
    assert [x.outcome for x in again] == [x.outcome for x in found]


class Refusing(Parallel):
    """Has everything of another, but evaluates nothing."""

    def __init__(self, other: Parallel) -> None:
        super().__init__(other.evaluator, other.workers)

    def stream(self, candidates: Any, budget: Budget) -> Iterator[tuple[int, Evaluation]]:
        assert not list(candidates), "it was evaluated again"
        return iter(())


def test_failures_are_tried_again_where_that_is_asked_for(
    faults: ModuleType, parallel: Parallel, tmp_path: Path
) -> None:
    store, candidate = SQLStore(tmp_path / "store.sqlite"), faults.faulty("exit")
    key = EvaluationKey.of(candidate, parallel.fingerprint, BUDGET)
    seconds = []
    for retry in (False, True):
        Cached(parallel, store, Accuracy(), retry).evaluate([candidate], BUDGET)
        kept = store.get(key)
        assert kept is not None
        assert kept.outcome is Outcome.CRASHED
        seconds.append(kept.seconds)
    assert seconds[0] != seconds[1]


def test_a_worker_that_is_killed_from_outside_is_replaced(
    faults: ModuleType, training: Training, parallel: Parallel
) -> None:
    sound = [faults.sound(number) for number in range(3)]
    expected = inline(training, sound)
    assert numbers(parallel.evaluate(sound, BUDGET)) == expected
    for pid in parallel.pids():  # idle: nobody's evaluation is lost
        os.kill(pid, signal.SIGKILL)
    assert numbers(parallel.evaluate(sound, BUDGET)) == expected
    budget = replace(BUDGET, max_seconds=30.0)
    slow = parallel.submit(faults.faulty("sleep"), budget)
    threading.Timer(0.5, lambda: [os.kill(x, signal.SIGKILL) for x in parallel.pids()]).start()
    found = slow.result(timeout=20)
    assert (found.outcome, found.epochs) == (Outcome.CRASHED, 0)
    assert "SIGKILL" in found.message
    assert 0 < found.seconds < 20
    assert numbers(parallel.evaluate(sound, BUDGET)) == expected


def test_the_pool_lives_on_after_an_error_in_every_worker(
    faults: ModuleType, training: Training, parallel: Parallel
) -> None:
    batch = [faults.faulty("exit", units) for units in range(4, 14)]
    found = parallel.evaluate([*batch, faults.sound(5)], BUDGET)
    assert [x.outcome for x in found] == [*[Outcome.CRASHED] * 10, Outcome.OK]
    assert len(parallel.pids()) <= 2


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.expensive)])
def test_a_random_fault_in_every_fifth_harms_no_other(
    count: int, faults: ModuleType, training: Training, parallel: Parallel
) -> None:
    drawn = faults.drawn(count)
    if count == 100:  # what waits for its time limit waits in the other test
        quick = [x for x in drawn if x[0] not in ("call", "sleep", "loop", "pipes")]
        slow = [x for x in drawn if x not in quick]
        drawn = [*quick, *slow[:2]]
    candidates = [candidate for _, candidate in drawn]
    found = parallel.evaluate(candidates, BUDGET)
    for (what, _), evaluation in zip(drawn, found, strict=True):
        outcome, words = faults.OUTCOMES[what] if what else (Outcome.OK, "")
        if what in ("tensors", "bytes") and evaluation.outcome is Outcome.TIMEOUT:
            continue  # a busy machine did not give them so much within the time
        assert (evaluation.outcome, words in evaluation.message) == (outcome, True), what
    sound = [(x, y) for (what, x), y in zip(drawn, found, strict=True) if not what]
    assert len(sound) == count * 4 // 5
    assert numbers([y for _, y in sound]) == inline(training, [x for x, _ in sound])


# ---- what the training evaluator does by itself ----


def test_out_of_memory_is_tried_at_half_the_batch(faults: ModuleType, training: Training) -> None:
    candidate = faults.faulty("batch")
    half = replace(candidate, recipe=replace(candidate.recipe, batch_size=32))
    (found,), (other,) = (training.evaluate([x], BUDGET) for x in (candidate, half))
    assert found.message == "Out of memory at batch size 64; trained at 32."
    assert (found.metrics, found.curve) == (other.metrics, other.curve)
    large = replace(candidate, recipe=replace(candidate.recipe, batch_size=100))
    (failed,) = training.evaluate([large], BUDGET)
    assert failed.outcome is Outcome.OUT_OF_MEMORY
    assert failed.message == (
        "Out of memory at batch size 100; out of memory at 50. too many samples at once"
    )


def test_no_network_of_the_chain_table_is_near_an_explosion() -> None:
    with np.load(Path(nas_env.__file__).parent / "data" / "chain_bench.npz") as arrays:
        most = {name: float(arrays[name].max()) for name in ("loss", "train_loss")}
        assert arrays["loss"].size == arrays["train_loss"].size == 3232 * 3 * 6
    assert 2 < max(most.values()) < DIVERGENCE_FACTOR / 40 * math.log(10)
