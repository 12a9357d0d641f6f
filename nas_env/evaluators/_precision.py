"""Measures which precision trains a task faster on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

from nas_env.architecture import Architecture, Layer, Recipe
from nas_env.evaluation import Budget
from nas_env.network import build
from nas_env.tasks import Metrics, Task

REPEATS = 3
LONG_EPOCH = 1.0  # seconds; for longer epochs, warm-up and repeats have little effect
MARGIN = 1.1  # required speed-up of bfloat16, which changes the results
PROBES = {
    "image": Architecture(
        (
            Layer.of("conv", channels=32, kernel=3),
            Layer.of("conv", channels=32, kernel=3),
            Layer.of("max-pool", kernel=2, stride=2),
            Layer.of("conv", channels=64, kernel=3),
        )
    ),
    "vector": Architecture((Layer.of("linear", units=128), Layer.of("linear", units=128))),
}


def faster_precision(task: Task, device: str) -> str:
    """Return "bfloat16" or "float32", by the fastest epoch of a network of medium size."""
    seconds = {"float32": float("inf"), "bfloat16": float("inf")}
    for _ in range(REPEATS):
        for precision, least in seconds.items():
            seconds[precision] = min(least, _epoch_seconds(task, device, precision))
        if max(seconds.values()) > LONG_EPOCH:
            break
    return "bfloat16" if seconds["bfloat16"] * MARGIN < seconds["float32"] else "float32"


def _epoch_seconds(task: Task, device: str, precision: str) -> float:
    """Return the seconds of the second epoch, or of the first epoch if it was long."""
    network = build(PROBES[task.spec.modality], task.spec)
    epochs = task.fit(network, Recipe(), Budget(epochs=2), device=device, precision=precision)
    seconds = _seconds(epochs)
    return seconds if seconds > LONG_EPOCH else _seconds(epochs)


def _seconds(epochs: Iterator[Metrics]) -> float:
    started = time.perf_counter()
    next(epochs)
    return time.perf_counter() - started
