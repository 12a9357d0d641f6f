"""`training`: builds and trains each network in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidArchitectureError, InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators._checkpoints import Checkpoints, State, TrainingProgress, name_of
from nas_env.evaluators.base import EVALUATORS, Evaluator, failed
from nas_env.evaluators.latency import Latency, too_slow
from nas_env.network import NetworkCost, build, predict
from nas_env.registry import unknown_name
from nas_env.tasks import Metrics, Task
from nas_env.tasks.base import Resumable, TrainingDiverged, TrainingTimeout

if TYPE_CHECKING:
    from torch import nn

    from nas_env.evaluators._inheritance import Kept, Weights
    from nas_env.evaluators.best_epoch import BestEpoch

LOOP_VERSION = 2  # raised when the training loop's numbers change
PRECISIONS = ("float32", "bfloat16", "auto")
logger = logging.getLogger(__name__)


@EVALUATORS.register("training")
class Training(Evaluator):
    """Trains each network with its recipe and evaluates it on the validation split.

    Training is deterministic on one machine: the same candidate and budget give the same results.
    The state of torch's global generator is restored. If a network runs out of memory, it is
    trained once more at half the batch size, which the message of the evaluation reports.

    Args:
        task: Data, loss and metric.
        device: "auto" (the first GPU if there is one), "cpu", "cuda" or "cuda:1".
        precision: "float32", "bfloat16", or "auto": the faster of the two for this task on this
            machine, measured on creation (see `nas_env.evaluators._precision`).
        threads: Number of torch threads on the CPU; small networks train fastest on one.
        checkpoints: Folder for the state of trainings that stop before the end of their schedule;
            see `nas_env.evaluators._checkpoints` for its size. The same candidate with more epochs
            of the same schedule and the same training seed continues from the checkpoint, with
            bitwise the same result as without interruption. `max_seconds` limits all parts
            together. A candidate with a parent always restarts, because its initial weights are
            those of the parent after the same number of epochs. None: no checkpoints.
        latency: Whether to measure the latency of every trained network on this machine as the
            metric "latency_ms": True, or settings of `Latency`. It is not part of the budget,
            because it does not affect training. The fingerprint includes its settings and the name
            of the processor, so evaluations stored without it or on another processor are not
            reused. Unlike all other metrics, it differs between repeats; a store keeps the first
            value. It is measured before training, so that networks over the budget's
            `max_latency_ms` are not trained. The seconds of an evaluation do not include the
            measurement.

    Raises:
        UnknownNameError: No such precision, or no such latency setting.
        InvalidSettingError: The device cannot be used, the folder cannot be created, or a latency
            setting is out of its range.
    """

    def __init__(
        self,
        task: Task,
        device: str = "auto",
        precision: str = "float32",
        threads: int = 1,
        checkpoints: Path | str | None = None,
        latency: Latency | Mapping[str, Any] | bool | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise unknown_name("precision", precision, PRECISIONS)
        self.task = task
        self.device = resolve_device(device)
        self.threads = threads
        self.checkpoints = None if checkpoints is None else Checkpoints(checkpoints)
        if precision == "auto":
            from nas_env.evaluators._precision import faster_precision

            with self._threads(), seeded(0, self.device):
                precision = faster_precision(task, self.device)
        self.precision = precision
        kind = self.device.partition(":")[0]
        self.fingerprint = f"training-{LOOP_VERSION}/{task.fingerprint}/{kind}/{precision}"
        self.latency = Latency.of(latency)
        self.measures_latency = self.latency is not None
        if self.latency is not None:
            self.fingerprint += f"/{self.latency.fingerprint(self.device)}"

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Train the candidates sequentially, and return one evaluation per candidate, in order.

        Raises:
            IncompatibleError: The budget limits a latency that is not measured.
        """
        if budget.max_latency_ms is not None and self.latency is None:
            raise IncompatibleError(
                f"The budget has max_latency_ms={budget.max_latency_ms}, but latency is "
                "not measured. Give latency=True with it, or Training(task, latency=True)."
            )
        return [self._with_retry(candidate, budget) for candidate in candidates]

    def continues(self, candidate: Candidate) -> bool:
        """Return whether more epochs of a candidate continue from a checkpoint."""
        return self.checkpoints is not None and candidate.parent is None

    def train(
        self,
        candidate: Candidate,
        budget: Budget,
        progress: TrainingProgress | None = None,
        best: BestEpoch | None = None,
    ) -> tuple[nn.Module, list[Metrics]]:
        """Build and train one network; return it with the metrics of every epoch.

        Args:
            candidate: The candidate to train.
            budget: The budget of the training.
            progress: Records the epochs and seconds so far, even if training fails.
            best: Ends the training early and chooses the epoch whose weights the network gets.
                Such a training uses no checkpoints. None: the network of the last epoch.

        Raises:
            InvalidArchitectureError: The network cannot be built.
            TrainingTimeout: The training exceeds the time limit of the budget.
            TrainingDiverged: The loss became NaN, infinite or very large.
        """
        import torch

        from nas_env.evaluators._inheritance import Kept

        progress = progress or TrainingProgress()
        weights: Kept = self.__dict__.setdefault("_kept", Kept())
        old = self._parents_weights(candidate.parent, budget, weights)
        grad = (
            torch.inference_mode(False),
            torch.enable_grad(),
        )  # the caller may have disabled gradients
        repeatable = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )  # on a GPU; also disables TF32 for float32
        seed = seeded(budget.training_seed, self.device)
        checkpoints = None if best is not None else self.checkpoints
        with grad[0], grad[1], repeatable, self._threads(), seed:
            network, epochs = self._begin(candidate, budget, progress, old, checkpoints)
            for metrics in epochs:
                progress.curve.append(metrics)
                if best is not None and best.ends_after(network, metrics):
                    break
            self._leave(candidate, budget, progress, epochs, checkpoints)
        if best is not None:
            best.restore(network)
        else:
            weights.put(candidate, budget, network)
        return network, progress.curve

    def _parents_weights(
        self, parent: Candidate | None, budget: Budget, weights: Kept
    ) -> Weights | None:
        """Return the parent's trained weights; retrain the parent if they are not kept."""
        if parent is None:
            return None
        if weights.get(parent, budget) is None:
            self._with_retry(parent, budget)  # keeps its weights, unless it fails
        return weights.get(parent, budget)  # None after a failure: the child has initial weights

    def _begin(
        self,
        candidate: Candidate,
        budget: Budget,
        progress: TrainingProgress,
        old: Weights | None,
        checkpoints: Checkpoints | None,
    ) -> tuple[nn.Module, Iterator[Metrics]]:
        """Return the network and the remaining epochs, from a checkpoint if there is one."""
        start = partial(self._start, candidate, budget, progress, old)
        if checkpoints is None or not self.continues(candidate):
            return start(None)
        name = name_of(candidate, self.fingerprint, budget)
        return checkpoints.begin(name, budget.epochs, start)

    def _start(
        self,
        candidate: Candidate,
        budget: Budget,
        progress: TrainingProgress,
        old: Weights | None,
        state: State | None,
    ) -> tuple[nn.Module, Iterator[Metrics]]:
        import torch

        from nas_env.evaluators._inheritance import inherit

        torch.manual_seed(budget.training_seed)  # a rejected checkpoint may have been partly loaded
        network = build(candidate.architecture, self.task.spec)
        if candidate.parent is not None and old is not None:
            inherit(network, candidate.architecture, candidate.parent.architecture, old)
        fit = partial(self.task.fit, device=self.device, precision=self.precision)
        if state is None:
            return network, fit(network, candidate.recipe, budget)
        epochs = fit(network, candidate.recipe, budget, resume=state)
        progress.go_on_from(state)
        return network, epochs

    def _leave(
        self,
        candidate: Candidate,
        budget: Budget,
        progress: TrainingProgress,
        epochs: Iterator[Metrics],
        checkpoints: Checkpoints | None,
    ) -> None:
        """Write a checkpoint if the schedule is not complete, otherwise remove it."""
        if checkpoints is None or not self.continues(candidate):
            return
        name = name_of(candidate, self.fingerprint, budget)
        if len(progress.curve) >= budget.schedule_epochs:
            checkpoints.drop(name, budget.schedule_epochs)
        elif isinstance(epochs, Resumable):
            checkpoints.keep(name, progress, epochs.state())

    def _with_retry(self, candidate: Candidate, budget: Budget) -> Evaluation:
        """Evaluate; if out of memory, retry at half the batch size in the remaining time."""
        first, batch = self._evaluate(candidate, budget), candidate.recipe.batch_size
        remaining = None if budget.max_seconds is None else budget.max_seconds - first.seconds
        late = remaining is not None and remaining <= 0
        if first.outcome is not Outcome.OUT_OF_MEMORY or batch == 1 or late:
            return first
        half = replace(candidate, recipe=replace(candidate.recipe, batch_size=batch // 2))
        again = self._evaluate(half, replace(budget, max_seconds=remaining))
        how = "trained" if again.ok else str(again.outcome).replace("_", " ")
        text = f"Out of memory at batch size {batch}; {how} at {batch // 2}. {again.message}"
        return replace(again, message=text.strip(), seconds=first.seconds + again.seconds)

    def _evaluate(self, candidate: Candidate, budget: Budget) -> Evaluation:
        progress = TrainingProgress()
        try:
            costs, excess = self.costs(candidate, budget)
            if excess:
                return failed(Outcome.TOO_LARGE, excess)
            curve = self.train(candidate, budget, progress)[1]
        except Exception as error:
            curve = progress.curve
            ended = failed(*self._outcome(error), progress.seconds)
            return replace(ended, curve=tuple(curve), epochs=len(curve))
        metrics = {**curve[-1], **costs}
        return Evaluation(Outcome.OK, metrics, tuple(curve), len(curve), progress.seconds)

    def costs(self, candidate: Candidate, budget: Budget) -> tuple[dict[str, float], str]:
        """Return the costs of a network, and a message if it exceeds a limit of the budget.

        The costs are those of `NetworkCost`, and "latency_ms" if it is measured and no other limit
        is exceeded. The message is empty if no limit is exceeded.
        """
        cost = predict(candidate.architecture, self.task.spec)
        metrics: dict[str, float] = dict(cost.to_json())
        excess = over_limit(cost, candidate.recipe.batch_size, budget)
        if self.latency is None or excess:
            return metrics, excess
        latency = self._measured(candidate, self.latency)
        if budget.max_latency_ms is not None and latency > budget.max_latency_ms:
            excess = too_slow(latency, budget.max_latency_ms)
        return {**metrics, "latency_ms": latency}, excess

    def _measured(self, candidate: Candidate, how: Latency) -> float:
        """Return the latency of a network in milliseconds; only the first call measures it."""
        latencies: dict[str, float] = self.__dict__.setdefault("_latencies", {})
        if (key := candidate.architecture.key) not in latencies:
            with seeded(0, self.device):
                network = build(candidate.architecture, self.task.spec).to(self.device)
            shape = self.task.spec.input_shape
            latencies[key] = how.measure(network, shape, self.device, self.precision)
        return latencies[key]

    def _outcome(self, error: Exception) -> tuple[Outcome, str]:
        """Return the outcome and message for an exception."""
        if isinstance(error, TrainingTimeout):
            return Outcome.TIMEOUT, str(error)
        if isinstance(error, TrainingDiverged):
            return Outcome.DIVERGED, str(error)
        if is_out_of_memory(error):
            self._free_memory()
            return Outcome.OUT_OF_MEMORY, str(error) or type(error).__name__
        if not isinstance(error, InvalidArchitectureError):
            logger.warning("An evaluation crashed; it is scored as a failure.", exc_info=error)
        return Outcome.CRASHED, f"{type(error).__name__}: {error}"

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_kept"}

    def _free_memory(self) -> None:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    @contextmanager
    def _threads(self) -> Iterator[None]:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def over_limit(cost: NetworkCost, batch_size: int, budget: Budget) -> str:
    """Return a message if the predicted cost exceeds a limit of the budget, else an empty one."""
    megabytes = cost.training_bytes(batch_size) / 1e6
    if budget.max_memory_mb is not None and megabytes > budget.max_memory_mb:
        return f"Predicted {megabytes:.1f} MB, limit {budget.max_memory_mb} MB."
    if budget.max_macs is not None and cost.macs > budget.max_macs:
        return f"Predicted {cost.macs:,} MACs, limit {budget.max_macs:,.0f}."
    return ""


def resolve_device(device: str) -> str:
    """Return the device name; "auto" selects a GPU if there is one.

    Raises:
        InvalidSettingError: There is no such device.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        requested = torch.device(device)
        if requested.type == "cuda" and (requested.index or 0) < torch.cuda.device_count():
            return device  # initialising it here would use GPU memory even if only workers train
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidSettingError(
            f"Device {device!r} cannot be used ({str(error).splitlines()[0]}). "
            "Use 'auto', 'cpu', or 'cuda' if a GPU is installed."
        ) from None
    return device


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch inside the block, and restore its generators afterwards."""
    import torch

    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an exception is an out-of-memory error, on a GPU or on the CPU."""
    import torch

    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and any(x in text for x in ("out of memory", "can't allocate memory", "bad_alloc"))
    )
