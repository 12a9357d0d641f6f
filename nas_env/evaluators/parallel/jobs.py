"""What waits and what runs: who asked for it, in which order it begins, and whether it fits."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Hashable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf

from nas_env.evaluation import Evaluation

MOST_OVERTAKEN = 16  # smaller jobs that begin before one which waits for memory


@dataclass(eq=False)
class Job:
    """One evaluation and all who wait for it.

    Attributes:
        key: Equal for equal evaluations.
        message: Pickled candidate and budget.
        work: How long it takes, in any unit; the longest begins first.
        memory_mb: Predicted training memory in 10^6 bytes.
        max_seconds: After so many the worker is ended; None: never.
        futures: Those who wait.
        overtaken: How many began before it although they came after it.
        begun: When it began (`time.monotonic`), None while it waits.
        sent: How often it was sent to a worker.
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
        """Note that it begins; return whether anybody still waits for it."""
        self.begun = time.monotonic()
        self.futures = [x for x in self.futures if x.running() or x.set_running_or_notify_cancel()]
        return bool(self.futures)

    def join(self, other: Job) -> None:
        """Let those who wait for an equal job wait for this one."""
        if self.begun is not None:
            other.begin()
        self.futures += other.futures

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return 0.0 if self.begun is None else time.monotonic() - self.begun


class Jobs:
    """The jobs of a pool by key; those that wait in their order, the longest first."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, Job] = {}
        self._waiting: list[Job] = []

    def add(self, job: Job) -> None:
        """Take a job in; one that is there already gets the new one's futures."""
        existing = self._by_key.setdefault(job.key, job)
        if existing is job:
            insort(self._waiting, job, key=lambda x: -x.work)
        else:
            existing.join(job)

    def next(self, free_mb: float, whole_mb: float = inf) -> Job | None:
        """Return the first job that fits and has begun with it, or None.

        A job that does not fit is overtaken by smaller ones, but not for ever. One that would not
        fit alone is not waited for: whoever asked is to be told.

        Args:
            free_mb: Memory that is free now.
            whole_mb: Memory that is free when nothing runs.
        """
        while (index := self._first(free_mb, whole_mb)) is not None:
            job = self._waiting.pop(index)
            if job.begin():
                for passed in self._waiting[:index]:
                    passed.overtaken += 1
                return job
            self.end(job)  # nobody waits for it any more
        return None

    def _first(self, free_mb: float, whole_mb: float) -> int | None:
        for index, job in enumerate(self._waiting):
            if job.memory_mb <= free_mb or job.memory_mb > whole_mb:
                return index
            if job.overtaken >= MOST_OVERTAKEN:
                return None
        return None

    def put_back(self, job: Job) -> None:
        """Let a job begin again whose worker ended before it did."""
        self._waiting.insert(0, job)

    def end(self, job: Job) -> None:
        """Forget a job."""
        del self._by_key[job.key]

    @property
    def waiting(self) -> int:
        """How many have not begun."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._by_key.values()))
