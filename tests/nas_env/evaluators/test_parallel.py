"""`Parallel`: the same numbers from several processes; what it does with batches and threads."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import InvalidSettingError, WorkerError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Cached, Parallel
from nas_env.evaluators.parallel.evaluator import GPU_OVERHEAD_MB
from nas_env.evaluators.parallel.jobs import MOST_OVERTAKEN, Job, Jobs
from nas_env.evaluators.synthetic import Synthetic
from nas_env.evaluators.training import Training
from nas_env.network import predict
from nas_env.store import MemoryStore
from nas_env.tasks import Task

BUDGET = Budget(epochs=1)


def network(units: int) -> Candidate:
    return Candidate(Architecture((Layer.of("linear", units=units),)))


def numbers(evaluations: list[Evaluation]) -> list[Evaluation]:
    return [replace(x, seconds=0.0) for x in evaluations]


@pytest.fixture
def noting(faults: ModuleType, tmp_path: Path) -> Callable[..., Any]:
    return lambda **settings: faults.Noting(tmp_path / "notes", **settings)


@pytest.fixture
def pool() -> Iterator[Callable[..., Parallel]]:
    """Return a factory of pools that are closed after the test."""
    made: list[Parallel] = []

    def make(*args: Any, **settings: Any) -> Parallel:
        made.append(Parallel(*args, **settings))
        return made[-1]

    yield make
    for parallel in made:
        parallel.close()


def test_numbers_and_order_are_those_of_the_evaluator_inside(
    make_task: Callable[[str], Task], make_space: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    training = Training(make_task("digits"), device="cpu")
    space, rng = make_space("chain", (1, 8, 8), 10), np.random.default_rng(0)
    drawn = [space.decode(space.sample(rng)) for _ in range(30)]
    batch = sorted(drawn, key=lambda x: predict(x.architecture, training.task.spec).macs)[2:5]
    batch.append(replace(batch[1], parent=batch[0]))  # is trained first where it is not at hand
    budget = Budget(epochs=1, max_seconds=300)
    inline = numbers(training.evaluate(batch, budget))
    assert all(x.ok for x in inline)
    parallel = pool(training, workers=2)
    assert (parallel.fingerprint, parallel.slots) == (training.fingerprint, 2)
    assert numbers(parallel.evaluate(batch, budget)) == inline
    assert len(parallel.pids()) == 2
    for candidates in (batch, iter(batch)):
        found = dict(parallel.stream(candidates, budget))
        assert numbers([found[i] for i in range(4)]) == inline
    assert numbers([parallel.submit(batch[3], budget).result()]) == inline[3:4]
    assert parallel.evaluate([], budget) == []


def test_equal_candidates_are_evaluated_once(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    notes = noting()
    parallel = pool(notes, workers=2)
    found: list[Any] = [None] * 3

    def ask(index: int) -> None:
        found[index] = parallel.evaluate([network(300), network(301), network(300)], BUDGET)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notes.count("begin") == 2
    assert found[0] == found[1] == found[2]
    assert [x.metrics["accuracy"] for x in found[0]] == [0.3, 0.301, 0.3]
    other = replace(BUDGET, training_seed=1)
    parallel.evaluate([network(300)], other)
    parallel.evaluate([network(300)], BUDGET)  # it is not in flight any more
    assert notes.count("begin") == 4


def test_the_longest_begins_first(
    noting: Callable[..., Any], make_task: Callable[[str], Task], pool: Callable[..., Parallel]
) -> None:
    notes = noting(spec=make_task("wine").spec)
    widths = [5, 40, 10, 20, 30]
    found = pool(notes, workers=1).evaluate([network(x) for x in widths], BUDGET)
    assert [x.metrics["accuracy"] for x in found] == [x / 1000 for x in widths]
    begun = [int(line[1]) for line in notes.lines() if line[0] == "begin"]
    assert begun == [40, 30, 20, 10, 5]


def test_an_iterator_is_taken_when_a_worker_is_free(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    notes, taken, story = noting(held=700), list[int](), []

    def proposals() -> Iterator[Candidate]:
        for units in (700, 1, 2, 3):
            taken.append(units)
            yield network(units)

    for index, _ in pool(notes, workers=2).stream(proposals(), BUDGET):
        story.append((index, list(taken)))
        if index == 3:
            notes.release()
    assert story == [
        (1, [700, 1]),
        (2, [700, 1, 2]),
        (3, [700, 1, 2, 3]),
        (0, [700, 1, 2, 3]),
    ]


def overlaps(lines: list[list[str]]) -> bool:
    """Return whether an evaluation began before the one that began before it had ended."""
    words = [line[0] for line in lines]
    return words != ["begin", "end"] * (len(words) // 2)


@pytest.mark.parametrize("fits", [True, False])
def test_memory_is_counted(
    fits: bool,
    noting: Callable[..., Any],
    make_task: Callable[[str], Task],
    pool: Callable[..., Parallel],
) -> None:
    spec = make_task("wine").spec
    one = predict(network(101).architecture, spec).training_bytes(64) / 1e6
    notes = noting(spec=spec, others=2 if fits else 0)
    parallel = pool(notes, workers=2, memory_mb=one * (2.1 if fits else 1.9), worker_memory_mb=1e4)
    found = parallel.evaluate([network(x) for x in (101, 100, 99, 98)], BUDGET)
    assert all(x.ok for x in found)
    assert overlaps(notes.lines()) == fits
    large = parallel.evaluate([network(100), network(300)], BUDGET)
    assert [x.outcome for x in large] == [Outcome.OK, Outcome.TOO_LARGE]
    assert "the pool has" in large[1].message
    assert ["begin", "300"] not in [line[:2] for line in notes.lines()]


def test_what_will_never_fit_is_told_at_once(
    noting: Callable[..., Any], make_task: Callable[[str], Task], pool: Callable[..., Parallel]
) -> None:
    spec = make_task("wine").spec
    one = predict(network(2000).architecture, spec).training_bytes(64) / 1e6
    notes = noting(spec=spec, held=2000)
    parallel = pool(notes, workers=2, memory_mb=1.1 * one, worker_memory_mb=1e4)
    assert parallel.evaluate([network(1), network(2)], BUDGET)[0].ok  # both workers are ready
    slow, large = parallel.submit(network(2000), BUDGET), parallel.submit(network(3000), BUDGET)
    assert large.result(timeout=30).outcome is Outcome.TOO_LARGE
    assert not slow.done(), "it waited for the memory of another"
    notes.release()
    assert slow.result(timeout=30).ok


@pytest.mark.parametrize("fits", [True, False])
def test_the_memory_of_a_gpu_is_that_of_the_device_less_what_processes_take(
    fits: bool,
    faults: ModuleType,
    tmp_path: Path,
    make_task: Callable[[str], Task],
    pool: Callable[..., Parallel],
) -> None:
    spec = make_task("wine").spec
    one = predict(network(101).architecture, spec).training_bytes(64) / 1e6
    device_mb = 2 * GPU_OVERHEAD_MB + one * (2.1 if fits else 1.9)
    gpu = faults.PretendedGPU(tmp_path / "notes", spec, device_mb, others=2 if fits else 0)
    found = pool(gpu, workers=2).evaluate([network(x) for x in (101, 100, 99, 98)], BUDGET)
    assert all(x.ok for x in found)
    lines = gpu.lines()
    assert overlaps([line for line in lines if line[0] in ("begin", "end")]) == fits
    assert [line[0] for line in lines].count("emptied") == 4
    shares = [float(line[1]) for line in lines if line[0] == "share"]
    assert max(shares) == pytest.approx(2 * one / device_mb)  # twice what is predicted
    found = pool(gpu, workers=2).evaluate([network(300)], BUDGET)
    assert found[0].outcome is Outcome.TOO_LARGE


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_has_one_thread_and_is_the_first_to_go(
    faults: ModuleType, pool: Callable[..., Parallel]
) -> None:
    (found,) = pool(faults.Telling(), workers=1).evaluate([network(1)], BUDGET)
    assert found.metrics["threads"] == found.metrics["ignores_interrupts"] == 1
    assert found.metrics["oom_score"] == 800


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_sees_the_gpus_that_its_parent_sees_now(
    faults: ModuleType, pool: Callable[..., Parallel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster gives a process other GPUs for each task; the server of workers stays the same."""
    for gpu in (3, 5):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", str(gpu))
        (found,) = pool(faults.Telling(), workers=1).evaluate([network(1)], BUDGET)
        assert found.metrics["gpu"] == gpu
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (found,) = pool(faults.Telling(), workers=1).evaluate([network(1)], BUDGET)
    assert found.metrics["gpu"] == -1


def test_a_slow_callback_delays_neither_work_nor_time_limits(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    notes, release = noting(), threading.Event()
    parallel = pool(notes, workers=1)
    first = parallel.submit(network(1), BUDGET)
    first.add_done_callback(lambda _: release.wait(30))
    second = parallel.submit(network(60_000), replace(BUDGET, max_seconds=0.1))
    third = parallel.submit(network(2), BUDGET)
    deadline = time.monotonic() + 30
    while notes.count("end") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert notes.count("end") == 2, "the third waits for a callback or for the second"
    assert not second.done() and not third.done()
    release.set()
    assert second.result().outcome is Outcome.TIMEOUT
    assert third.result().ok


def test_a_callback_that_waits_for_an_evaluation_is_refused(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    parallel, caught = pool(noting(), workers=1), Future[BaseException]()

    def wait_for_another(_: Any) -> None:
        try:
            parallel.evaluate([network(2)], BUDGET)
        except BaseException as error:
            caught.set_result(error)

    parallel.submit(network(300), BUDGET).add_done_callback(wait_for_another)
    assert "Use submit() in callbacks" in str(caught.result(timeout=30))


def test_errors_of_the_caller_are_raised_and_others_are_crashes(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    parallel = pool(noting(), workers=2)
    with pytest.raises(InvalidSettingError, match="no thirteen"):
        parallel.evaluate([network(1), network(13), network(2)], BUDGET)
    found = parallel.evaluate([network(14), network(2)], BUDGET)
    assert [x.outcome for x in found] == [Outcome.CRASHED, Outcome.OK]
    assert found[0].message == "ZeroDivisionError: fourteen"


def test_an_error_of_the_caller_ends_a_large_batch(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    notes = noting()
    parallel = pool(notes, workers=1)
    with pytest.raises(InvalidSettingError, match="no thirteen"):
        parallel.evaluate([network(x) for x in (13, *range(100, 3000))], BUDGET)
    assert parallel.evaluate([network(2)], BUDGET)[0].ok
    assert notes.count("begin") < 100


def test_a_job_that_waits_for_memory_is_not_overtaken_for_ever() -> None:
    jobs = Jobs()
    for number in range(3 * MOST_OVERTAKEN):
        jobs.add(Job(number, b"", work=-number, memory_mb=1.0, futures=[Future()]))
    jobs.add(Job("large", b"", work=1.0, memory_mb=5.0, futures=[Future()]))
    order = []
    while (job := jobs.next(free_mb=2.0)) is not None:
        order.append(job.key)
    assert order == list(range(MOST_OVERTAKEN))
    large, following = jobs.next(free_mb=5.0), jobs.next(free_mb=2.0)
    assert large is not None and large.key == "large"
    assert following is not None and following.key == MOST_OVERTAKEN


def test_what_nobody_waits_for_does_not_begin(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    notes = noting()
    parallel = pool(notes, workers=1)
    first, second = (parallel.submit(network(x), BUDGET) for x in (300, 1))
    assert second.cancel()
    assert first.result().ok
    assert parallel.evaluate([network(2)], BUDGET)[0].ok
    assert notes.count("begin") == 2


def test_closing_cancels_and_the_next_evaluation_begins_anew(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    parallel = pool(noting(), workers=1)
    futures = [parallel.submit(network(x), BUDGET) for x in (60_000, 60_001)]
    while not parallel.pids():
        time.sleep(0.01)
    (pid,) = parallel.pids()
    parallel.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert {type(x.exception(timeout=10)) for x in futures} == {CancelledError}
    assert parallel.pids() == []
    assert parallel.evaluate([network(1)], BUDGET)[0].ok


def test_a_store_that_waits_gets_everything_from_several_threads(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    class Slow(MemoryStore):
        def put(self, record: Any, replace: bool = False) -> None:
            time.sleep(0.02)
            super().put(record, replace)

    store = Slow()
    cached = Cached(pool(noting(), workers=2), store)
    futures = [cached.submit(network(x), BUDGET) for x in range(1, 11)]
    wait(futures)
    assert [x.result().metrics["accuracy"] for x in futures] == [x / 1000 for x in range(1, 11)]
    assert len(store) == 10


def test_it_pickles_without_its_processes(
    noting: Callable[..., Any], pool: Callable[..., Parallel]
) -> None:
    parallel = pool(noting(), workers=1, memory_mb=500)
    parallel.evaluate([network(1)], BUDGET)
    copy = pickle.loads(pickle.dumps(parallel))
    assert (copy.pids(), copy.workers, copy.memory_mb) == ([], 1, 500)
    with copy:
        assert copy.evaluate([network(2)], BUDGET)[0].ok
        assert copy.pids() != parallel.pids()


def test_what_cannot_be_sent_or_loaded_is_an_error_at_once(
    faults: ModuleType, make_task: Callable[[str], Task], pool: Callable[..., Parallel]
) -> None:
    local = Synthetic(make_task("wine"))
    local.hook = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(InvalidSettingError, match="'Synthetic' cannot be sent"):
        pool(local, workers=1).evaluate([network(1)], BUDGET)
    for how, message in (("import", "No module named 'left_behind'"), ("exit", "exit code 3")):
        parallel = pool(faults.Broken(how), workers=2)
        for _ in range(2):
            with pytest.raises(WorkerError, match=message):
                parallel.evaluate([network(1), network(2)], BUDGET)


def test_wrong_settings_are_refused(make_task: Callable[[str], Task]) -> None:
    inside = Synthetic(make_task("wine"))
    for workers in (0, -1, 1.5, True):
        with pytest.raises(InvalidSettingError, match="workers must be an integer >= 1"):
            Parallel(inside, workers=workers)  # type: ignore[arg-type]
    for setting in ("memory_mb", "worker_memory_mb"):
        with pytest.raises(InvalidSettingError, match="must be > 0 MB, got -1"):
            Parallel(inside, workers=1, **{setting: -1})  # type: ignore[arg-type]
    with pytest.raises(InvalidSettingError, match="has workers already"):
        Parallel(Cached(Parallel(inside, workers=1), MemoryStore()), workers=1)


@pytest.mark.parametrize("method", ["spawn"])
@pytest.mark.expensive
def test_processes_may_be_started_otherwise(
    method: str, make_task: Callable[[str], Task], pool: Callable[..., Parallel]
) -> None:
    training = Training(make_task("wine"), device="cpu")
    found = pool(training, workers=1, start_method=method).evaluate([network(8)], BUDGET)
    assert numbers(found) == numbers(training.evaluate([network(8)], BUDGET))
