"""A layer that does whatever a layer should not, and evaluators that write down what they do.

Worker processes import this module, for the layer registers itself here. Tests import it late, with
the fixture `faults`, so that the contract tests of layers are made without it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas_env.architecture import Architecture, Candidate, Layer, Recipe, Shape
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Evaluator
from nas_env.layers.base import LayerType, register_layer, single
from nas_env.tasks import TaskSpec


@register_layer("fault")
class Fault(LayerType):
    """Does `what`, see `FAULTS`, in a pass over training data."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        return single(layer, inputs)

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        if layer["what"] == "init":
            raise ValueError("raised while building")
        return Faulty(layer["what"])

    def label(self, layer: Layer) -> str:
        return f"fault {layer['what']}"


class Faulty(nn.Module):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        return FAULTS[self.what](x)


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise ValueError("raised in backward")


def take_tensors(x: Tensor) -> Tensor:
    hoard = []
    while True:
        hoard.append(torch.ones(4_000_000))


def take_bytes(x: Tensor) -> Tensor:
    hoard = []
    while True:
        hoard.append(bytearray(16_000_000))


def take_much_for_large_batches(x: Tensor) -> Tensor:
    if len(x) > 40:
        raise MemoryError("too many samples at once")
    return x


def loop(x: Tensor) -> Tensor:
    while True:
        pass


def call(x: Tensor) -> Tensor:
    return torch.matrix_power(torch.eye(3000), 2**60 - 1)[: len(x), : x.shape[1]]  # minutes


def raises(x: Tensor) -> Tensor:
    raise ValueError("raised in forward")


def close_everything(x: Tensor) -> Tensor:
    os.closerange(3, 256)
    return loop(x)


FAULTS: dict[str, Any] = {
    "tensors": take_tensors,
    "bytes": take_bytes,
    "batch": take_much_for_large_batches,
    "loop": loop,
    "call": call,
    "sleep": lambda x: time.sleep(600),
    "nan": lambda x: x * float("nan"),
    "explosion": lambda x: x * 1e8,
    "exit": lambda x: os._exit(7),
    "sys-exit": lambda x: sys.exit("left"),
    "segmentation": lambda x: ctypes.string_at(0),
    "kill": lambda x: os.kill(os.getpid(), signal.SIGKILL),
    "forward": raises,
    "backward": Backward.apply,
    "init": None,
    "pipes": close_everything,
}
OUTCOMES = {  # and words of the message
    "tensors": (Outcome.OUT_OF_MEMORY, "allocate memory"),
    "bytes": (Outcome.OUT_OF_MEMORY, "MemoryError"),
    "batch": (Outcome.OK, "Out of memory at batch size 64; trained at 32."),
    "loop": (Outcome.TIMEOUT, "Over 1.0 s"),
    "call": (Outcome.TIMEOUT, "Over 1.0 s"),
    "sleep": (Outcome.TIMEOUT, "Over 1.0 s"),
    "nan": (Outcome.DIVERGED, "The loss is nan"),
    "explosion": (Outcome.DIVERGED, "after epoch 1"),
    "exit": (Outcome.CRASHED, "exit code 7"),
    "sys-exit": (Outcome.CRASHED, "SystemExit: left"),
    "segmentation": (Outcome.CRASHED, "SIGSEGV"),
    "kill": (Outcome.CRASHED, "SIGKILL"),
    "forward": (Outcome.CRASHED, "ValueError: raised in forward"),
    "backward": (Outcome.CRASHED, "raised in backward"),
    "init": (Outcome.CRASHED, "ValueError: raised while building"),
    "pipes": (Outcome.CRASHED, "worker"),
}


def faulty(what: str, number: int = 8) -> Candidate:
    """Return a network with a fault; another number is another network."""
    layers = (Layer.of("linear", units=number), Layer.of("fault", what=what))
    return Candidate(Architecture(layers))


def sound(number: int) -> Candidate:
    """Return a small network; another number is another network."""
    layers = (Layer.of("linear", units=4 + number % 60), Layer.of("dropout", rate=0.1))
    return Candidate(Architecture(layers), Recipe(learning_rate=0.01 + 0.0001 * (number // 60)))


def drawn(count: int, seed: int = 0) -> list[tuple[str, Candidate]]:
    """Return networks, every fifth with a random fault: the fault or "", and the candidate."""
    rng = np.random.default_rng(seed)
    names = sorted(FAULTS)
    found = []
    for number in range(count):
        what = str(rng.choice(names)) if number % 5 == 4 else ""
        found.append((what, faulty(what, 4 + number) if what else sound(number)))
    return found


class Noting(Evaluator):
    """Trains nothing: sleeps as many ms as there are units, and writes down begin and end.

    Attributes:
        path: Lines of "begin" or "end", the units and the id of the process.
        others: Before it ends, an evaluation waits until so many have begun at all (10 s at most).
        held: Evaluations of so many units wait until `release` is called (30 s at most).
    """

    def __init__(
        self, path: Path, others: int = 0, spec: TaskSpec | None = None, held: int = 0
    ) -> None:
        self.path, self.others, self.spec, self.held = path, others, spec, held
        self.fingerprint = "noting"

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        return [self._one(int(x.architecture.layers[0]["units"])) for x in candidates]

    def _one(self, units: int) -> Evaluation:
        if units == 13:
            raise InvalidSettingError("There is no thirteen.")
        if units == 14:
            raise ZeroDivisionError("fourteen")
        self._note("begin", units)
        time.sleep(units / 1000)
        deadline = time.monotonic() + 10
        while self.count("begin") < self.others and time.monotonic() < deadline:
            time.sleep(0.01)
        deadline += 20
        while units == self.held and not self.count("release") and time.monotonic() < deadline:
            time.sleep(0.01)
        self._note("end", units)
        return Evaluation(Outcome.OK, {"accuracy": units / 1000}, epochs=1)

    def release(self) -> None:
        """Let the evaluations that are held end."""
        self._note("release", self.held)

    def _note(self, what: str, units: float) -> None:
        with self.path.open("a") as file:  # one short write: lines of two processes never mix
            file.write(f"{what} {units} {os.getpid()}\n")

    def lines(self) -> list[list[str]]:
        """Return the words of each line so far."""
        return [x.split() for x in self.path.read_text().splitlines()] if self.path.exists() else []

    def count(self, what: str) -> int:
        """Return how many began or ended."""
        return sum(line[0] == what for line in self.lines())


class Broken(Evaluator):
    """Cannot be loaded in a worker."""

    fingerprint = "broken"

    def __init__(self, how: str) -> None:
        self.how = how

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        return []

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["how"] == "exit":
            os._exit(3)
        raise ModuleNotFoundError("No module named 'left_behind'")


class PretendedGPU(Noting):
    """Has a device whose memory is made up in the worker; notes which share a worker is allowed."""

    def __init__(self, path: Path, spec: TaskSpec, device_mb: float, others: int = 0) -> None:
        super().__init__(path, others, spec)
        self.device, self.device_mb = "cuda", device_mb

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        cuda: Any = torch.cuda
        cuda.mem_get_info = lambda device: (0, self.device_mb * 1e6)
        cuda.set_per_process_memory_fraction = lambda share, device: self._note("share", share)
        cuda.empty_cache = lambda: self._note("emptied", 0)


class Telling(Evaluator):
    """Tells what its process is like."""

    fingerprint = "telling"

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        metrics = {
            "threads": torch.get_num_threads(),
            "oom_score": int(Path("/proc/self/oom_score_adj").read_text()),
            "ignores_interrupts": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
            "gpu": int(os.environ.get("CUDA_VISIBLE_DEVICES", -1)),
        }
        return [Evaluation(Outcome.OK, metrics) for _ in candidates]
