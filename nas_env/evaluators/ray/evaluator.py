"""`Ray`: an evaluator that runs evaluations on a Ray cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from nas_env.architecture import Candidate
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators._remote import RemoteEvaluator
from nas_env.evaluators.base import EVALUATORS, Evaluator, failed
from nas_env.evaluators.latency import Latency
from nas_env.evaluators.ray import cluster
from nas_env.evaluators.ray.jobs import Jobs, Key
from nas_env.evaluators.ray.settings import RaySettings
from nas_env.tasks import Task


class Ray(RemoteEvaluator):
    """Runs each evaluation as a task of a Ray cluster.

    The wrapped evaluator must be picklable. It is stored in Ray's object store once, and unpickled
    once per worker process. A child of the worker process evaluates (see `Parallel`), so a crash of
    the network is an outcome and does not end the worker. If a node or a worker process is lost,
    only its running evaluations restart. Every node needs the same version of nas-env, and the
    modules of your own layers. Nothing starts before the first evaluation.

    Callbacks of futures run in a thread of this object and must not wait for other evaluations.

    Args:
        evaluator: Evaluator to run on the cluster, such as `Training(task)`.
        address: "auto" or "HOST:PORT" for your own cluster, or "local" for a Ray on this machine
            only, which is bound to 127.0.0.1 and ended by `close`. None: the environment variable
            RAY_ADDRESS, or "local" if it is not set. If the caller has called `ray.init`, that
            connection is used.
        cpus: CPU cores per evaluation. Ray counts them but does not enforce them.
        gpus: GPUs per evaluation; with 0.25, four evaluations share a GPU.
        memory_mb: Memory of an evaluation without its network, in 10^6 bytes: two processes with
            torch, and the data twice. On CPUs, the predicted training memory of the network is
            added.
        max_retries: Number of restarts after a lost node or process; then the outcome is
            "crashed".
        slots: Maximum number of evaluations in flight. None: as many as fit on the cluster at the
            moment.

    Raises:
        MissingDependencyError: Ray is not installed.
        InvalidSettingError: A setting is out of range, or the evaluator needs a GPU and `gpus`
            is 0.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        address: str | None = None,
        cpus: float = 1.0,
        gpus: float = 0.0,
        memory_mb: float = 1000.0,
        max_retries: int = 3,
        slots: int | None = None,
    ) -> None:
        super().__init__(evaluator)
        cluster.check_installed()
        resolved = cluster.checked_address(address)
        self.settings = RaySettings(resolved, cpus, gpus, memory_mb, max_retries, slots)
        inner: Any = evaluator.unwrapped
        if gpus == 0 and getattr(inner, "device", "cpu") != "cpu":
            raise InvalidSettingError(
                "gpus must be > 0 if the evaluator trains on a GPU, got gpus=0. Use gpus=1 or a "
                "fraction."
            )
        self._jobs: Jobs | None = None
        self._lock = threading.RLock()

    @property
    def slots(self) -> int:
        """Number of evaluations that run at the same time; it changes with the cluster."""
        return self.settings.slots or self._connected().places

    def stream(
        self, candidates: Iterable[Candidate], budget: Budget
    ) -> Iterator[tuple[int, Evaluation]]:
        """Yield (index, evaluation) as they complete.

        The longest evaluations of a sequence start first, and equal candidates are evaluated once.
        Other iterables are read lazily; see `Evaluator.stream`.
        """
        if not isinstance(candidates, Sequence):
            yield from super().stream(candidates, budget)
            return
        places: dict[Key, list[int]] = {}
        for index, candidate in enumerate(candidates):
            places.setdefault(self._key(candidate, budget), []).append(index)
        groups = sorted(places.values(), key=lambda x: -self.cost(candidates[x[0]]).macs)
        for number, evaluation in super().stream([candidates[x[0]] for x in groups], budget):
            for index in groups[number]:
                yield index, evaluation

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        """Queue an evaluation and return its future; an equal one in flight is shared."""
        future: Future[Evaluation] = Future()
        refusal = self._too_large(candidate, budget)
        if refusal is not None:
            future.set_result(refusal)
            return future
        self._connected().submit(self._key(candidate, budget), candidate, budget, future)
        return future

    def close(self) -> None:
        """Cancel unfinished evaluations and end a local Ray; the next evaluation reconnects."""
        with self._lock:
            jobs, self._jobs = self._jobs, None
        if jobs is not None:
            jobs.close()
        super().close()

    def _connected(self) -> Jobs:
        with self._lock:
            jobs = self._jobs
            broken = jobs is not None and jobs.broken is not None
            self._jobs = None if broken else jobs
        if jobs is not None and broken:
            jobs.close()
        with self._lock:
            if self._jobs is None:
                self._jobs = Jobs(self.evaluator, self.settings, self.resources)
            return self._jobs

    def _key(self, candidate: Candidate, budget: Budget) -> Key:
        return self.identity(candidate), budget

    def _network_mb(self, candidate: Candidate, budget: Budget) -> float:
        """Return the predicted megabytes of main memory; 0 if the wrapped evaluator rejects it."""
        if self.settings.gpus > 0:
            return 0.0
        cost = self.cost(candidate)
        needed = cost.training_bytes(candidate.recipe.batch_size) / cluster.MEGABYTE
        return 0.0 if needed > (budget.max_memory_mb or needed) else needed

    def resources(
        self, candidate: Candidate, budget: Budget, largest_mb: float | None
    ) -> dict[str, float]:
        """Return the resources of an evaluation, as options of a Ray task."""
        return self.settings.resources(self._network_mb(candidate, budget), largest_mb)

    def _too_large(self, candidate: Candidate, budget: Budget) -> Evaluation | None:
        needed, most = self._network_mb(candidate, budget), self._connected().largest_mb
        besides = self.settings.memory_mb
        if most is None or needed == 0 or besides + needed <= most:
            return None
        message = f"Predicted {needed:.1f} MB for the network and {besides:g} MB in addition, "
        return failed(Outcome.TOO_LARGE, f"{message}but the largest node has {most:.0f} MB.")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_jobs": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()


@EVALUATORS.register("ray")
def training_on_ray(
    task: Task,
    device: str = "auto",
    precision: str = "float32",
    latency: Latency | Mapping[str, Any] | bool | None = None,
) -> Ray:
    """Return training on the Ray cluster at RAY_ADDRESS, or on a local Ray.

    On a GPU, each evaluation has its own GPU. To share one, create
    `Ray(Training(task), gpus=0.25)`.

    Args:
        task: Data, loss and metric.
        device: See `Training`.
        precision: See `Training`.
        latency: See `Training`. Each node measures its own evaluations, so the nodes should have
            the same CPUs.
    """
    from nas_env.evaluators.training import Training

    training = Training(task, device, precision, latency=latency)
    return Ray(training, gpus=0.0 if training.device == "cpu" else 1.0)
