"""The pool: a thread that sends jobs to worker processes and enforces time limits."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from math import inf
from multiprocessing import Pipe
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from typing import Any

from nas_env.errors import WorkerError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.evaluators.base import failed
from nas_env.evaluators.parallel.imports import Imports
from nas_env.evaluators.parallel.jobs import Job, Jobs
from nas_env.evaluators.parallel.process import LAST_SECONDS, Worker
from nas_env.evaluators.parallel.worker import BEGUN, BROKEN, DONE, ERROR, READY

MOST_FAILED_STARTS = 3  # in a row
MOST_SENT = 3  # to workers that end before they report its start
Answer = Evaluation | BaseException
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Settings of a pool.

    Attributes:
        workers: Maximum number of worker processes.
        context: Context that starts the processes.
        evaluator: The pickled evaluator.
        imports: Imports of each process.
        memory_mb: Limit on the predicted memory of all running evaluations. None: the memory of
            the device of the workers.
        worker_memory_mb: Limit on the actual memory of one worker. None: its share of
            `memory_mb`, or twice the predicted memory if that is more.
        overhead_mb: Memory of an idle worker.
    """

    workers: int
    context: BaseContext
    evaluator: bytes
    imports: Imports
    memory_mb: float | None
    worker_memory_mb: float | None
    overhead_mb: float

    def free_mb(self, device_mb: float) -> float:
        """Return the memory that is available to evaluations."""
        whole = device_mb if self.memory_mb is None else self.memory_mb
        return whole - self.workers * self.overhead_mb

    def limit_mb(self, job: Job, device_mb: float) -> float:
        """Return the memory limit of a worker for a job."""
        if self.worker_memory_mb is not None:
            return self.worker_memory_mb
        return max(self.free_mb(device_mb) / self.workers, 2 * job.memory_mb)


class Pool:
    """Worker processes that are started on demand and replaced when they end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.owner = os.getpid()
        self._lock = threading.RLock()  # a finalizer may run in a thread that holds it
        self._inbox: deque[Job] = deque()
        self._bell, self._ring = Pipe(duplex=False)
        self._rung = self._closing = self._ended = False
        self._jobs = Jobs()
        self._workers: list[Worker] = []
        self._wanted = self._failed_starts = 0
        self._device_mb = inf
        self._answers: SimpleQueue[tuple[list[Future[Evaluation]], Answer] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=target, name=target.__name__, daemon=True)
            for target in (self._manage, self._complete)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Iterable[Job]) -> bool:
        """Queue jobs together; return False if the pool has ended."""
        with self._lock:
            if self.ended:
                return False
            self._inbox.extend(jobs)
            self._wake()
        return True

    def close(self) -> None:
        """Kill all workers and cancel unfinished jobs, and wait until this is done."""
        if self.owner != os.getpid():
            return  # a fork's copy; the workers belong to the original
        with self._lock:
            self._closing = True
            self._wake()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=5)

    @property
    def ended(self) -> bool:
        """Whether the pool accepts no more jobs."""
        return self._ended or self._closing

    def completes_in(self, thread: threading.Thread) -> bool:
        """Return whether this is a thread of the pool, which must not wait for a future."""
        return thread in self._threads

    def pids(self) -> list[int]:
        """Return the ids of the worker processes."""
        return [worker.process.pid for worker in list(self._workers)]

    def _wake(self) -> None:
        if not self._rung and not self._ended:
            self._rung = True
            self._ring.send_bytes(b"1")

    def _manage(self) -> None:
        reason: BaseException = CancelledError("The pool was closed.")
        try:
            while not self._closing:
                self._begin_jobs()
                self._listen()
                self._keep_time()
        except WorkerError as error:
            reason = error
        except BaseException as error:
            logger.exception("The pool of worker processes failed.")
            reason = WorkerError(f"The pool failed: {type(error).__name__}: {error}.")
        finally:
            self._end(reason)

    def _begin_jobs(self) -> None:
        """Start missing processes, and send the jobs that fit in memory."""
        while self._inbox:
            self._jobs.add(self._inbox.popleft())
        busy = sum(worker.job is not None for worker in self._workers)
        needed = min(self.settings.workers, busy + self._jobs.waiting)
        self._wanted = max(self._wanted, needed)
        while len(self._workers) < self._wanted:
            self._workers.append(self._started())
        for worker in self._workers:
            while worker.idle and (job := self._jobs.next(self._free_mb(), self._whole_mb)):
                self._begin(worker, job)

    def _started(self) -> Worker:
        settings = self.settings
        try:
            return Worker(settings.context, settings.evaluator, settings.imports)
        except Exception as error:
            raise WorkerError(
                f"Worker processes cannot be started ({type(error).__name__}: {error}). "
                "Use workers=None."
            ) from error

    @property
    def _whole_mb(self) -> float:
        return self.settings.free_mb(self._device_mb)

    def _free_mb(self) -> float:
        reserved = (worker.job.memory_mb for worker in self._workers if worker.job is not None)
        return self._whole_mb - sum(reserved)

    def _begin(self, worker: Worker, job: Job) -> None:
        if job.memory_mb > self._whole_mb:
            text = f"Predicted {job.memory_mb:.1f} MB, but the pool has {self._whole_mb:.1f} MB."
            self._answer(job, failed(Outcome.TOO_LARGE, text))
        else:
            worker.begin(job, self.settings.limit_mb(job, self._device_mb))

    def _listen(self) -> None:
        """Wait for a message, the end of a process, a new job or a deadline, and handle it."""
        sources: list[Any] = [self._bell]
        for worker in self._workers:
            sources += [worker.process.sentinel, *([] if worker.lost else [worker.connection])]
        deadline = min((worker.deadline for worker in self._workers), default=inf)
        patience = None if deadline == inf else max(0.0, deadline - time.monotonic())
        ready = wait(sources, patience)
        if self._bell in ready:
            with self._lock:
                self._bell.recv_bytes()
                self._rung = False
        for worker in list(self._workers):
            if worker.connection in ready:
                self._hear(worker)
            elif worker.process.sentinel in ready:
                self._bury(worker)

    def _hear(self, worker: Worker) -> None:
        """Handle a message of a worker."""
        message = worker.receive()
        if message is None:
            worker.lose()
            return
        kind, content, worn = message
        if kind == READY:
            worker.ready = True
            self._failed_starts = 0
            self._device_mb = content or self._device_mb
        elif kind == BROKEN:
            raise WorkerError(
                f"A worker process cannot load the evaluator ({content}). Define everything that "
                "the evaluator needs in importable modules, or use workers=None."
            )
        elif kind != BEGUN and worker.job is not None:
            job, worker.job = worker.job, None
            if kind not in (DONE, ERROR):
                content = failed(Outcome.CRASHED, f"The result cannot be read: {content}")
            self._answer(job, content)
        if worn:
            self._remove(worker)

    def _bury(self, worker: Worker) -> None:
        """Handle the end of a process; its job has crashed."""
        job = worker.job
        if job is not None and not worker.begun and job.sent < MOST_SENT:
            self._jobs.put_back(job)  # the worker ended before this job started
        elif job is not None:
            self._answer(job, failed(Outcome.CRASHED, worker.last_words, job.seconds))
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                raise WorkerError(
                    f"{self._failed_starts} worker processes in a row ended during their start. "
                    f"{worker.last_words} Use workers=None to see the error."
                )
        self._remove(worker)

    def _keep_time(self) -> None:
        """Kill the workers that exceeded their time limit."""
        now = time.monotonic()
        for worker in list(self._workers):
            if now < worker.deadline:
                continue
            job = worker.job
            if job is None or worker.lost:
                self._bury(worker)
                continue
            text = f"Over {job.max_seconds} s; the worker did not stop and was killed."
            self._answer(job, failed(Outcome.TIMEOUT, text, job.seconds))
            self._remove(worker)

    def _remove(self, worker: Worker) -> None:
        worker.end()
        self._workers.remove(worker)

    def _answer(self, job: Job, answer: Answer) -> None:
        self._jobs.end(job)
        self._answers.put((job.futures, answer))

    def _end(self, reason: BaseException) -> None:
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.process.join(timeout=LAST_SECONDS)
        self._workers.clear()
        with self._lock:
            self._ended = True
        for job in self._inbox:
            self._jobs.add(job)
        for job in self._jobs:
            self._answer(job, reason)
        self._answers.put(None)
        self._bell.close()
        self._ring.close()

    def _complete(self) -> None:
        """Complete futures, in another thread than the one that enforces time limits."""
        while (item := self._answers.get()) is not None:
            complete(*item)


def complete(futures: Iterable[Future[Evaluation]], answer: Answer) -> None:
    """Complete all futures that are not cancelled."""
    for future in futures:
        if not future.running() and not future.set_running_or_notify_cancel():
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
