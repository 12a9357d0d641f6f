"""The queue of a Ray evaluator: waiting, running and lost evaluations."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.base import Evaluator, failed
from nas_env.evaluators.parallel.imports import needed
from nas_env.evaluators.parallel.pool import complete
from nas_env.evaluators.ray import cluster
from nas_env.evaluators.ray.settings import RaySettings
from nas_env.evaluators.ray.worker import Parcel, evaluate_there

Key = tuple[Hashable, Budget]
LOOK_SECONDS = 1.0  # interval between queries of the cluster size
logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """One waiting or running evaluation, and the futures that wait for it."""

    candidate: Candidate
    budget: Budget
    futures: list[Future[Evaluation]] = field(default_factory=list)
    lost: int = 0
    out_of_memory: int = 0


def packed(evaluator: Evaluator) -> tuple[bytes, tuple[str, ...]]:
    """Return the pickled evaluator, and the modules that a worker must import first.

    Raises:
        InvalidSettingError: The evaluator cannot be pickled, or needs the main script.
    """
    try:
        pickled = pickle.dumps(evaluator)
    except Exception as error:
        raise InvalidSettingError(
            f"Evaluator {type(evaluator).__name__!r} cannot be sent to a cluster "
            f"({type(error).__name__}: {error}). Make it picklable."
        ) from error
    imports = needed(pickled)
    if imports.main_name or imports.main_path:
        raise InvalidSettingError(
            "Workers of a cluster cannot import a layer or evaluator that is defined in the main "
            "script. Define it in a module that every node can import."
        )
    return pickled, imports.modules


class Jobs:
    """A connection to the cluster, and its waiting and running evaluations.

    Args:
        evaluator: The evaluator that is sent to the cluster.
        settings: Resources of an evaluation, and the address of the cluster.
        resources: Called with the candidate, the budget and the memory of the largest node;
            returns the resources of the evaluation as options of a Ray task.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        settings: RaySettings,
        resources: Callable[[Candidate, Budget, float | None], dict[str, float]],
    ) -> None:
        pickled, modules = packed(evaluator)
        cluster.join(settings.address)
        import ray

        self.ray, self.settings, self.resources = ray, settings, resources
        path = tuple(os.path.abspath(folder) for folder in sys.path)
        self.parcel = Parcel(uuid.uuid4().hex, [ray.put(pickled)], modules, path)
        # Retries are counted here: Ray would retry a task that runs out of memory without limit.
        self.task = ray.remote(max_retries=0, max_calls=0)(evaluate_there)
        self.jobs: dict[Key, Job] = {}
        self.waiting: deque[Key] = deque()
        self.running: dict[Key, Any] = {}  # reference of each running job, by key
        self.arrived: SimpleQueue[Key | None] = SimpleQueue()
        self.lock = threading.RLock()
        self.broken: BaseException | None = None  # error after which no results are received
        self._looked = float("-inf")
        self._places = 1
        self._largest: float | None = None
        self.thread = threading.Thread(target=self._serve, name="nas-env ray", daemon=True)
        self.thread.start()

    @property
    def places(self) -> int:
        """Number of evaluations that fit on the cluster, at most a second old."""
        self._look()
        return self._places

    @property
    def largest_mb(self) -> float | None:
        """Memory of the largest node that can run an evaluation, in 10^6 bytes."""
        self._look()
        return self._largest

    def _look(self) -> None:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            cpus, gpus = self.settings.cpus, self.settings.gpus
            self._places = cluster.places(cpus, gpus)
            self._largest = cluster.largest_memory_mb(cpus, gpus)
            self._looked = time.monotonic()

    def submit(
        self, key: Key, candidate: Candidate, budget: Budget, future: Future[Evaluation]
    ) -> None:
        """Add a future to an evaluation; queue the evaluation if no equal one is in flight."""
        with self.lock:
            if self.broken is not None:
                complete([future], self.broken)
                return
            if key not in self.jobs:
                self.jobs[key] = Job(candidate, budget)
                self.waiting.append(key)
            self.jobs[key].futures.append(future)
            self._send()

    def _send(self) -> None:
        """Send waiting evaluations to Ray while they fit; the caller holds the lock."""
        while self.waiting and len(self.running) < (self.settings.slots or self.places):
            key = self.waiting.popleft()
            job = self.jobs[key]
            job.futures = [x for x in job.futures if _is_wanted(x)]
            if not job.futures:
                del self.jobs[key]
                continue
            wanted = self.resources(job.candidate, job.budget, self.largest_mb)
            task = self.task.options(**wanted)
            reference = task.remote(self.parcel, job.candidate, job.budget)
            self.running[key] = reference
            reference.future().add_done_callback(lambda _, key=key: self.arrived.put(key))

    def _serve(self) -> None:
        """Complete futures as results arrive, until `close`; an error of Ray fails all of them."""
        try:
            self._pass_on()
        except BaseException as error:
            with self.lock:
                self.broken = error
            self._give_up(error)

    def _pass_on(self) -> None:
        while True:
            try:
                key = self.arrived.get(timeout=LOOK_SECONDS)
            except Empty:
                with self.lock:
                    self._send()  # the cluster may have grown
                continue
            if key is None:
                return
            self._finish(key)

    def _finish(self, key: Key) -> None:
        with self.lock:
            reference = self.running.pop(key, None)
        if reference is None:
            return
        job = self.jobs[key]
        try:
            answer: Evaluation | BaseException | None = self._answer(job, reference)
        except BaseException as error:
            answer = error
        with self.lock:
            if answer is None:
                self.waiting.appendleft(key)
            else:
                del self.jobs[key]
            self._send()
        if answer is not None:
            complete(job.futures, answer)

    def _answer(self, job: Job, reference: Any) -> Evaluation | None:
        """Return the evaluation, or None if it must restart."""
        errors = self.ray.exceptions
        try:
            return self.ray.get(reference)  # type: ignore[no-any-return]
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.OutOfMemoryError as error:
            job.out_of_memory += 1
            if job.out_of_memory < 2:
                return None
            return failed(
                Outcome.OUT_OF_MEMORY, f"Ray ended the evaluation twice: {_first_line(error)}"
            )
        except (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.LocalRayletDiedError,
            errors.ObjectLostError,
        ) as error:
            job.lost += 1
            logger.warning("Ray lost an evaluation (%s).", _first_line(error))
            if job.lost <= self.settings.max_retries:
                return None
            message = f"The node or process was lost {job.lost} times: {_first_line(error)}"
            return failed(Outcome.CRASHED, message)

    def close(self) -> None:
        """Cancel unfinished evaluations and disconnect from the cluster."""
        self.arrived.put(None)
        if self.thread is not threading.current_thread():  # a callback may call close
            self.thread.join()
        with self.lock:
            for reference in self.running.values():
                self.ray.cancel(reference, force=True)
        self.parcel.box.clear()
        cluster.leave()
        self._give_up(CancelledError("The evaluator was closed."))

    def _give_up(self, error: BaseException) -> None:
        with self.lock:
            unfinished = list(self.jobs.values())
            self.jobs, self.running = {}, {}
            self.waiting.clear()
        for job in unfinished:
            complete(job.futures, error)


def _is_wanted(future: Future[Evaluation]) -> bool:
    return future.running() or future.set_running_or_notify_cancel()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
