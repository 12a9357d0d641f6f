"""An evaluator for the tests of Ray, in a module of its own, for workers import it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Cached, Evaluator
from nas_env.evaluators.ray import Ray
from nas_env.objectives import OBJECTIVES
from nas_env.store import open_store
from nas_env.tasks import TaskSpec

SPEC = TaskSpec("noted", 1, "vector", (4,), 2)


def widths(*units: int) -> Candidate:
    return Candidate(Architecture(tuple(Layer.of("linear", units=x) for x in units)))


class Noted(Evaluator):
    """Takes a moment, and notes every evaluation in a file of its process.

    A first layer of 13 units kills the child process that evaluates; one of 14 kills the process
    around it, which is Ray's own.
    """

    fingerprint = "noted"

    def __init__(self, folder: Path, seconds: float = 0.02) -> None:
        self.folder, self.seconds, self.spec = folder, seconds, SPEC

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        return [self._one(candidate) for candidate in candidates]

    def _one(self, candidate: Candidate) -> Evaluation:
        time.sleep(self.seconds)
        with (self.folder / f"{os.getpid()}.txt").open("a") as file:
            file.write(f"{candidate.key}\n")
        units = [int(layer.get("units", 0)) for layer in candidate.architecture.layers]
        if units[0] == 13:
            os.kill(os.getpid(), 9)
        if units[0] == 15:
            raise InvalidSettingError("Fifteen is refused. Take another.")
        if units[0] == 14:
            server = psutil.Process(os.getppid())  # from which this process was forked
            os.kill(server.ppid(), 9)
            time.sleep(60)
        accuracy = sum(units) / (1 + sum(units))
        return Evaluation(Outcome.OK, {"accuracy": accuracy, "loss": 1 - accuracy}, epochs=1)


def executions(folder: Path) -> list[str]:
    """Return the key of every evaluation that was made, as often as it was."""
    return [line for file in sorted(folder.iterdir()) for line in file.read_text().splitlines()]


def search(address: str, folder: Path, store: Path, evaluations: int) -> None:
    """Evaluate distinct networks on a cluster that loses a node; print a line for each.

    The last line is how many places are left; Ray may learn only later that a node is gone.
    """
    ray = Ray(Noted(folder), address, memory_mb=100)
    with Cached(ray, open_store(store), OBJECTIVES.get("accuracy")()) as evaluator:
        candidates = (widths(32 + number) for number in range(evaluations))  # asked for lazily
        for index, evaluation in evaluator.stream(candidates, Budget(epochs=1)):
            print(index, evaluation.outcome, ray.slots, evaluation.message, flush=True)
        deadline = time.monotonic() + 60
        while ray.slots > 1 and time.monotonic() < deadline:
            time.sleep(0.2)
        print("places left:", ray.slots, flush=True)
