"""Which precision trains a task faster on this machine, measured once."""

from __future__ import annotations

import time

from nas_env.architecture import Architecture, Layer, Recipe
from nas_env.evaluation import Budget
from nas_env.network import build
from nas_env.tasks import Task

REPEATS = 3
MARGIN = 1.1  # bfloat16 must win clearly, or the numbers are not worth the change
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
    """Return "bfloat16" or "float32": the least time of three epochs of a middling network."""
    seconds = {"float32": float("inf"), "bfloat16": float("inf")}
    probe = PROBES[task.spec.modality]
    for _ in range(REPEATS):
        for precision in seconds:
            network = build(probe, task.spec)
            epochs = task.fit(
                network, Recipe(), Budget(epochs=2), device=device, precision=precision
            )
            next(epochs)  # the first epoch warms up
            started = time.perf_counter()
            next(epochs)
            seconds[precision] = min(seconds[precision], time.perf_counter() - started)
    return "bfloat16" if seconds["bfloat16"] * MARGIN < seconds["float32"] else "float32"
