"""Code that runs in the worker processes of a Ray cluster."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from typing import Any, NamedTuple

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import Evaluator
from nas_env.evaluators.parallel import Parallel

_held: dict[tuple[str, str], Evaluator] = {}  # at most one, because each holds its data


class Parcel(NamedTuple):
    """An evaluator to send to the workers.

    Attributes:
        name: Unique name of the evaluator.
        box: Reference of its pickled bytes in Ray's object store. It is in a list, because Ray
            would fetch a direct argument for each task. The evaluator is stored as bytes, because
            arrays shared by Ray are not aligned in memory, which changes the last digits of sums.
        modules: Modules that register the caller's own layers.
        path: Module search path of the caller; workers append it to theirs.
    """

    name: str
    box: list[Any]
    modules: tuple[str, ...]
    path: tuple[str, ...]

    def open(self) -> Evaluator:
        """Return the evaluator."""
        import ray

        sys.path += [folder for folder in self.path if folder not in sys.path]
        for module in self.modules:
            importlib.import_module(module)
        evaluator: Evaluator = pickle.loads(ray.get(self.box[0]))
        return evaluator


def evaluate_there(parcel: Parcel, candidate: Candidate, budget: Budget) -> Evaluation:
    """Return the evaluation of a candidate; the parcel is opened once per worker process."""
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")  # Ray may assign other GPUs to each task
    key = (parcel.name, gpus)
    if key not in _held:
        while _held:
            _held.popitem()[1].close()
        _held[key] = Parallel(parcel.open(), workers=1)
    return _held[key].evaluate([candidate], budget)[0]
