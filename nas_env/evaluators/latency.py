"""Measures the latency of a network for one batch on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_env.architecture import Shape, is_count
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.registry import unknown_name

if TYPE_CHECKING:
    import torch
    from torch import nn


TOO_SLOW = "Measured"  # beginning of the message of `too_slow`


def too_slow(latency_ms: float, limit_ms: float) -> str:
    """Return the message of a network that exceeds the latency limit and is not trained."""
    return f"{TOO_SLOW} {latency_ms:.3g} ms, limit {limit_ms:g} ms."


def was_too_slow(evaluation: Evaluation) -> bool:
    """Return whether a network failed because it exceeded the latency limit.

    Example:
        >>> was_too_slow(Evaluation(Outcome.TOO_LARGE, message=too_slow(2, 1)))
        True
    """
    ours = evaluation.message.startswith(TOO_SLOW)
    return evaluation.outcome is Outcome.TOO_LARGE and ours


@dataclass(frozen=True)
class Latency:
    """Settings of the latency measurement: the median of forward passes on one thread.

    The network is in evaluation mode, without gradients. The result is noisy, depends on the
    machine, and increases if other processes use the machine. Therefore latency is not measured by
    default.

    Args:
        batch_size: Samples of a forward pass.
        repeats: Number of measured forward passes.
        warm_up: Number of forward passes before the measurement.

    Raises:
        InvalidSettingError: A number is out of its range.
    """

    batch_size: int = 1
    repeats: int = 50
    warm_up: int = 10

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("repeats", 1), ("warm_up", 0)):
            value = getattr(self, name)
            if isinstance(value, np.integer):
                object.__setattr__(self, name, value := int(value))
            if not (is_count(value) or (least == 0 and value == 0 and type(value) is int)):
                raise InvalidSettingError(
                    f"Latency setting {name} must be an integer >= {least}, got {value!r}."
                )

    @classmethod
    def of(cls, given: Latency | Mapping[str, Any] | bool | None) -> Latency | None:
        """Return the settings that an argument selects, or None for no measurement.

        Args:
            given: True for the defaults, a mapping of settings, a `Latency`, or False or None for
                no measurement.

        Raises:
            UnknownNameError: No such setting.
            InvalidSettingError: The argument has another type, or a number is out of its range.
        """
        if given is None or isinstance(given, Latency):
            return given
        if isinstance(given, bool | np.bool_):
            return cls() if given else None
        if not isinstance(given, Mapping):
            raise InvalidSettingError(
                f"Argument latency must be True, False or a dict, got {given!r}. Give "
                "latency=True, or {'batch_size': 8}."
            )
        known = cls.__dataclass_fields__
        for name in given:
            if name not in known:
                raise unknown_name("latency setting", name, known)
        return cls(**given)

    def fingerprint(self, device: str) -> str:
        """Return a text that identifies the settings and the processor of a device."""
        settings = ",".join(f"{key}={value}" for key, value in asdict(self).items())
        return f"latency({settings}) on {processor(device)}"

    def measure(
        self, network: nn.Module, input_shape: Shape, device: str, precision: str = "float32"
    ) -> float:
        """Measure the latency of a forward pass in milliseconds.

        Args:
            network: A network on the device; its mode is restored afterwards.
            input_shape: Shape of a sample.
            device: "cpu", "cuda" or "cuda:1".
            precision: "float32" or "bfloat16".
        """
        import torch

        kind, training = device.partition(":")[0], network.training
        draws = torch.Generator().manual_seed(0)  # leaves the global generator unchanged
        batch = torch.rand(self.batch_size, *input_shape, generator=draws).to(device)
        low, threads = precision == "bfloat16", torch.get_num_threads()
        network.eval()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=low):
                for _ in range(self.warm_up):
                    network(batch)
                return 1000 * median(_seconds(network, batch) for _ in range(self.repeats))
        finally:
            torch.set_num_threads(threads)
            network.train(training)


def processor(device: str) -> str:
    """Return the name of a device's processor, as reported by the system."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _seconds(network: nn.Module, batch: torch.Tensor) -> float:
    """Return the seconds of one forward pass, synchronised on a GPU."""
    _finish(batch)
    started = time.perf_counter()
    network(batch)
    _finish(batch)
    return time.perf_counter() - started


def _finish(batch: torch.Tensor) -> None:
    if batch.is_cuda:
        import torch

        torch.cuda.synchronize(batch.device)
