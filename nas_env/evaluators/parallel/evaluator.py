"""`Parallel`: an evaluator that lets worker processes evaluate."""

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

GPU_OVERHEAD_MB = 700.0  # of a process that uses a GPU: context, libraries, their work space


class Parallel(RemoteEvaluator):
    """Evaluates in worker processes, several at once, isolated from the caller and each other.

    The numbers are those of the evaluator inside, bit for bit. What a network does to its process
    is an outcome: over `budget.max_seconds` the process is killed ("timeout"), memory without end
    is refused ("out_of_memory"; Linux only), a segmentation fault, an exit or a kill is "crashed".
    The process is replaced and the other evaluations go on. Equal candidates under equal budgets,
    in one batch or in flight, are evaluated once. Of what waits, the longest begins first.

    Processes are started at first use (on Linux forked from a server that has torch loaded) and
    end when this object is closed, collected, or its own process ends, however that happens.
    Closing cancels what has not ended; the next evaluation starts processes anew.

    Any thread may evaluate, submit and close. Callbacks of futures run in a thread of the pool and
    must not wait for other evaluations. A fork of the process has processes of its own. A pickle
    has none. A script whose own layers or evaluator are used must keep
    `if __name__ == "__main__":` before what evaluates, because workers import it.

    Args:
        evaluator: Evaluates, in the workers.
        workers: Most processes; None: one for each core that this process may use.
        memory_mb: An evaluation begins only when its predicted training memory and that of all
            that run fit into so many 10^6 bytes; alone over it, it is "too_large". None: 80 % of
            the available memory, or all of the GPU's.
        worker_memory_mb: What a worker may take while it evaluates, in 10^6 bytes, beside what it
            takes when it is ready. None: its share of `memory_mb`, or twice the predicted memory
            of a network where that is more.
        start_method: "forkserver", "spawn" or "fork", as in `multiprocessing`; None: "forkserver"
            on Linux, else "spawn".

    Raises:
        InvalidSettingError: A number is not positive, or the evaluator cannot be sent.
        WorkerError: Worker processes cannot be started (from an evaluation).
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
        """How many evaluations run at once."""
        return self.workers

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Begin an evaluation as soon as a worker is free, and return its future."""
        return self._submitted([candidate], budget)[0]

    def stream(
        self, candidates: Iterable[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        """Yield (index, evaluation) as they complete.

        A sequence is known as a whole, so its longest begin first; anything else is taken one by
        one, see `Evaluator.stream`.
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
        finally:  # nobody waits any more where the caller stopped or an error came
            for future in futures:
                future.cancel()

    def _submitted(
        self, candidates: Iterable[Candidate], budget: Budget
    ) -> list[Future[Evaluation]]:
        """Return a future for each candidate; all of them are known before any begins."""
        jobs = [self._job(candidate, budget) for candidate in candidates]
        futures = [job.futures[0] for job in jobs]
        while not self._running().submit(jobs):
            continue  # the pool has just come to its end; the next one is new
        return futures

    def close(self) -> None:
        """End the worker processes and cancel what they have not finished."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            self._end_pool.detach()
            pool.close()
        super().close()

    def pids(self) -> list[int]:
        """Return the ids of the worker processes that there are."""
        return [] if self._pool is None else self._pool.pids()

    def _job(self, candidate: Candidate, budget: Budget) -> Job:
        cost = self.cost(candidate)
        ancestors = _ancestors(candidate)  # may have to be trained as well, each in its time
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
        """Return the pool; make one where there is none, where it ended, or after a fork."""
        if worker.inside:
            raise InvalidSettingError(
                "An evaluation was begun while a worker process imported the main module, or by an "
                "evaluator in a worker. Put what evaluates under `if __name__ == '__main__':`."
            )
        with self._lock:
            if self._pool is None or self._pool.owner != os.getpid() or self._pool.ended:
                self._pool = Pool(self._settings())
                self._end_pool = weakref.finalize(self, self._pool.close)
            return self._pool

    def _check_thread(self) -> None:
        """Refuse to wait in the thread on which all evaluations wait."""
        if self._pool is not None and self._pool.completes_in(threading.current_thread()):
            raise InvalidSettingError(
                "A callback of a future cannot wait for another evaluation, which could never "
                "complete. Use submit() there."
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
            f"Argument workers must be an integer >= 1, got {workers!r}. "
            "Use None for as many as there are cores."
        )
    for value in megabytes:
        if value is not None and not value > 0:
            raise InvalidSettingError(
                f"A limit of memory must be > 0 MB, got {value}. Use None for the usual one."
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
