"""What runs in the worker processes of a Ray cluster."""

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

_held: dict[tuple[str, str], Evaluator] = {}  # at most one: data of several searches would add up


class Parcel(NamedTuple):
    """An evaluator on its way to the workers.

    Attributes:
        name: Differs where the evaluator does.
        box: The reference of its pickled bytes in Ray's object store; in a list, for Ray would
            fetch it for each task. Bytes, for arrays that Ray shares lie at odd addresses in
            memory, which changes the last digits of sums.
        modules: Those in which the caller's own layers register.
        path: Where the caller finds modules; used where a worker does not find them.
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
    """Return the evaluation of a candidate by the evaluator in a parcel, which is opened once."""
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")  # Ray may give others each time
    key = (parcel.name, gpus)
    if key not in _held:
        while _held:
            _held.popitem()[1].close()
        _held[key] = Parallel(parcel.open(), workers=1)
    return _held[key].evaluate([candidate], budget)[0]
