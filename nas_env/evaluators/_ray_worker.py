"""What runs in the worker processes of a Ray cluster."""

from __future__ import annotations

import importlib
import os
import pickle
from typing import Any

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.base import Evaluator
from nas_env.evaluators.parallel import Parallel

_held: dict[tuple[str, str], Evaluator] = {}  # at most one: data of several searches would add up


def evaluate_there(
    name: str, box: list[Any], modules: tuple[str, ...], candidate: Candidate, budget: Budget
) -> Evaluation:
    """Return the evaluation of a candidate by the evaluator that a box holds.

    Args:
        name: Differs where the evaluator does.
        box: The reference of its pickled bytes in Ray's object store; in a list, for Ray would
            fetch it for each task. Bytes, for arrays that Ray shares lie at odd addresses in
            memory, which changes the last digits of sums.
        modules: Those in which the caller's own layers register.
        candidate: What is evaluated.
        budget: What may be spent.
    """
    key = (name, os.environ.get("CUDA_VISIBLE_DEVICES", ""))  # Ray may give another GPU each time
    if key not in _held:
        import ray

        while _held:
            _held.popitem()[1].close()
        for module in modules:
            importlib.import_module(module)
        _held[key] = Parallel(pickle.loads(ray.get(box[0])), workers=1)
    return _held[key].evaluate([candidate], budget)[0]
