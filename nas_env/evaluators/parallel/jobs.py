"""The queue of a pool: waiting and running jobs, their order, and whether they fit in memory."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Hashable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf

from nas_env.evaluation import Evaluation

MOST_OVERTAKEN = 16  # smaller jobs that may start before a job that waits for memory


@dataclass(eq=False)
class Job:
    """One evaluation and the futures that wait for it.

    Attributes:
        key: Equal for equal evaluations.
        message: Pickled candidate and budget.
        work: Predicted duration in any unit; the longest job starts first.
        memory_mb: Predicted training memory in 10^6 bytes.
        max_seconds: Time limit after which the worker is killed. None: no limit.
        futures: Futures that receive the evaluation.
        overtaken: Number of later jobs that started before this one.
        begun: Start time (`time.monotonic`), or None while the job waits.
        sent: Number of times the job was sent to a worker.
    """

    key: Hashable
    message: bytes
    work: float = 0.0
    memory_mb: float = 0.0
    max_seconds: float | None = None
    futures: list[Future[Evaluation]] = field(default_factory=list)
    overtaken: int = 0
    begun: float | None = None
    sent: int = 0

    def begin(self) -> bool:
        """Record the start; return False if all its futures were cancelled."""
        self.begun = time.monotonic()
        self.futures = [x for x in self.futures if x.running() or x.set_running_or_notify_cancel()]
        return bool(self.futures)

    def join(self, other: Job) -> None:
        """Take over the futures of an equal job."""
        if self.begun is not None:
            other.begin()
        self.futures += other.futures

    @property
    def seconds(self) -> float:
        """Seconds since the start, 0 while the job waits."""
        return 0.0 if self.begun is None else time.monotonic() - self.begun


class Jobs:
    """The jobs of a pool by key, and the waiting jobs in order, the longest first."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, Job] = {}
        self._waiting: list[Job] = []

    def add(self, job: Job) -> None:
        """Add a job, or add its futures to an equal job."""
        existing = self._by_key.setdefault(job.key, job)
        if existing is job:
            insort(self._waiting, job, key=lambda x: -x.work)
        else:
            existing.join(job)

    def next(self, free_mb: float, whole_mb: float = inf) -> Job | None:
        """Start and return the first job that fits in memory, or None if no job fits.

        Smaller jobs may overtake a job that does not fit, up to a maximum number. A job that would
        not fit alone is returned at once, because it must be reported as too large.

        Args:
            free_mb: Memory that is free now.
            whole_mb: Memory that is free if no job runs.
        """
        while (index := self._first(free_mb, whole_mb)) is not None:
            job = self._waiting.pop(index)
            if job.begin():
                for passed in self._waiting[:index]:
                    passed.overtaken += 1
                return job
            self.end(job)  # all its futures were cancelled
        return None

    def _first(self, free_mb: float, whole_mb: float) -> int | None:
        for index, job in enumerate(self._waiting):
            if job.memory_mb <= free_mb or job.memory_mb > whole_mb:
                return index
            if job.overtaken >= MOST_OVERTAKEN:
                return None
        return None

    def put_back(self, job: Job) -> None:
        """Queue a job again, at the front, after its worker ended before the job started."""
        self._waiting.insert(0, job)

    def end(self, job: Job) -> None:
        """Remove a job."""
        del self._by_key[job.key]

    @property
    def waiting(self) -> int:
        """Number of jobs that have not started."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._by_key.values()))
