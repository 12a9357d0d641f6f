"""`Parallel`: an evaluator that runs evaluations in worker processes."""

from __future__ import annotations

import os
import pickle
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any

import numpy as np

from nas_env.architecture import Candidate, is_count
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators._remote import RemoteEvaluator
from nas_env.evaluators.base import Evaluator
from nas_env.evaluators.parallel import worker
from nas_env.evaluators.parallel.imports import needed
from nas_env.evaluators.parallel.jobs import Job
from nas_env.evaluators.parallel.memory import SHARE, available_mb
from nas_env.evaluators.parallel.pool import Pool, Settings
from nas_env.evaluators.parallel.process import start_context

GPU_OVERHEAD_MB = 700.0  # of a process that uses a GPU: CUDA context, libraries, workspace


class Parallel(RemoteEvaluator):
    """Evaluates candidates in parallel in worker processes.

    The processes are isolated from the caller and from each other. The results equal those of the
    wrapped evaluator, bit for bit. The outcome of an evaluation describes what happened to its
    process:

    * "timeout": the process exceeded `budget.max_seconds` and was killed.
    * "out_of_memory": the process reached its memory limit (Linux only).
    * "crashed": the process had a segmentation fault, exited or was killed.

    The process is then replaced, and the other evaluations continue. Equal candidates with equal
    budgets, in one batch or in flight, are evaluated once. Among waiting evaluations, the longest
    starts first.

    Processes start with the first evaluation (on Linux they are forked from a server that has
    loaded torch). They end when this object is closed or garbage-collected, or when its process
    ends for any reason. Closing cancels unfinished evaluations; the next evaluation starts new
    processes.

    Any thread may call `evaluate`, `submit` and `close`. Callbacks of futures run in a thread of
    the pool and must not wait for other evaluations. After a fork, the child process starts its
    own workers. A pickled or copied object has no processes. A script that defines its own layers
    or evaluator must run evaluations under `if __name__ == "__main__":`, because workers import
    the script.

    Args:
        evaluator: Evaluator that runs in the workers.
        workers: Maximum number of processes. None: one per core available to this process.
        memory_mb: Limit on the predicted training memory of all running evaluations, in 10^6
            bytes. An evaluation waits until it fits; if it exceeds the limit alone, it is
            "too_large". None: 80 % of the available memory, or all memory of the GPU.
        worker_memory_mb: Memory that a worker may use for an evaluation, in 10^6 bytes, in
            addition to its memory when idle. None: its share of `memory_mb`, or twice the
            predicted memory of the network if that is more.
        start_method: "forkserver", "spawn" or "fork", as in `multiprocessing`. None: "forkserver"
            on Linux, otherwise "spawn".

    Raises:
        InvalidSettingError: A number is not positive, or the evaluator cannot be pickled.
        WorkerError: Worker processes cannot be started (raised by an evaluation).
    """

    def __init__(
        self,
        evaluator: Evaluator,
        workers: int | None = None,
        memory_mb: float | None = None,
        worker_memory_mb: float | None = None,
        start_method: str | None = None,
    ) -> None:
        super().__init__(evaluator)
        workers = int(workers) if isinstance(workers, np.integer) else workers
        self.workers = _cores() if workers is None else workers
        self.memory_mb, self.worker_memory_mb = memory_mb, worker_memory_mb
        self.start_method = start_method
        _check(evaluator, self.workers, memory_mb, worker_memory_mb)
        self._pool: Pool | None = None
        self._lock = threading.Lock()

    @property
    def slots(self) -> int:
        """Number of evaluations that run at the same time."""
        return self.workers

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Queue an evaluation and return its future."""
        return self._submitted([candidate], budget)[0]

    def stream(
        self, candidates: Iterable[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        """Yield (index, evaluation) as they complete.

        The longest evaluations of a sequence start first. Other iterables are read lazily; see
        `Evaluator.stream`.
        """
        lazy = not isinstance(candidates, Sequence)
        self._check_thread()
        try:
            yield from super().stream(candidates, budget) if lazy else self._all(candidates, budget)
        except KeyboardInterrupt:
            self.close()
            raise

    def _all(
        self, candidates: Iterable[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        done: SimpleQueue[tuple[int, Future[Evaluation]]] = SimpleQueue()
        futures = self._submitted(candidates, budget)
        try:
            for index, future in enumerate(futures):
                future.add_done_callback(partial(_note, done, index))
            for _ in futures:
                index, future = done.get()
                yield index, future.result()
        finally:  # not needed if the caller stopped or an error occurred
            for future in futures:
                future.cancel()

    def _submitted(
        self, candidates: Iterable[Candidate], budget: Budget
    ) -> list[Future[Evaluation]]:
        """Return one future per candidate; all are queued before the first one starts."""
        jobs = [self._job(candidate, budget) for candidate in candidates]
        futures = [job.futures[0] for job in jobs]
        while not self._running().submit(jobs):
            continue  # the pool has just ended; the next call creates one
        return futures

    def close(self) -> None:
        """End the worker processes and cancel unfinished evaluations."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            self._end_pool.detach()
            pool.close()
        super().close()

    def pids(self) -> list[int]:
        """Return the ids of the running worker processes."""
        return [] if self._pool is None else self._pool.pids()

    def _job(self, candidate: Candidate, budget: Budget) -> Job:
        cost = self.cost(candidate)
        ancestors = _ancestors(candidate)  # may have to be trained too, each within the limit
        seconds = None if budget.max_seconds is None else budget.max_seconds * (1 + ancestors)
        return Job(
            key=(self.identity(candidate), budget),
            message=pickle.dumps((candidate, budget)),
            work=cost.macs * budget.epochs,
            memory_mb=cost.training_bytes(candidate.recipe.batch_size) / 1e6,
            max_seconds=seconds,
            futures=[Future()],
        )

    def _running(self) -> Pool:
        """Return the pool; create one if there is none, it has ended, or after a fork."""
        if worker.inside:
            raise InvalidSettingError(
                "Worker processes cannot start workers, but an evaluator in a worker, or the main "
                "module that it imports, started an evaluation. Put the code that evaluates under "
                "`if __name__ == '__main__':`."
            )
        with self._lock:
            if self._pool is None or self._pool.owner != os.getpid() or self._pool.ended:
                self._pool = Pool(self._settings())
                self._end_pool = weakref.finalize(self, self._pool.close)
            return self._pool

    def _check_thread(self) -> None:
        """Raise if the current thread belongs to the pool, because waiting in it would deadlock.

        Raises:
            InvalidSettingError: This is a thread of the pool.
        """
        if self._pool is not None and self._pool.completes_in(threading.current_thread()):
            raise InvalidSettingError(
                "A callback of a future cannot wait for another evaluation, because this would "
                "deadlock. Use submit() in callbacks."
            )

    def _settings(self) -> Settings:
        device = worker.device_of(self.evaluator)
        on_gpu = device.startswith("cuda")
        memory = self.memory_mb
        if memory is None and not on_gpu:
            memory = SHARE * available_mb()
        pickled = _pickled(self.evaluator)
        imports = needed(pickled)
        return Settings(
            workers=self.workers,
            context=start_context(self.start_method, imports),
            evaluator=pickled,
            imports=imports,
            memory_mb=memory,
            worker_memory_mb=self.worker_memory_mb,
            overhead_mb=GPU_OVERHEAD_MB if on_gpu else 0.0,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_pool", "_end_pool", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _pool=None, _lock=threading.Lock())


def _note(
    done: SimpleQueue[tuple[int, Future[Evaluation]]], index: int, future: Future[Evaluation]
) -> None:
    done.put((index, future))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check(evaluator: Evaluator, workers: int, *megabytes: float | None) -> None:
    if not is_count(workers):
        raise InvalidSettingError(
            f"Argument workers must be an integer >= 1, got {workers!r}. Use None for one per core."
        )
    for value in megabytes:
        if value is not None and not value > 0:
            raise InvalidSettingError(
                f"A memory limit must be > 0 MB, got {value}. Use None for the default."
            )


def _pickled(evaluator: Evaluator) -> bytes:
    try:
        return pickle.dumps(evaluator)
    except Exception as error:
        raise InvalidSettingError(
            f"Evaluator {type(evaluator).__name__!r} cannot be sent to worker processes "
            f"({type(error).__name__}: {error}). Use workers=None, or make it picklable."
        ) from error


def _ancestors(candidate: Candidate) -> int:
    count = 0
    while candidate.parent is not None:
        candidate, count = candidate.parent, count + 1
    return count
