"""Evaluators: candidates in, evaluations out, in order and as many.

One file per kind; a kind registers itself with `@EVALUATORS.register(name)`. Evaluators around
evaluators (`Cached`, `Halving`, `MedianStopping` and others) are made from the one inside; a name
stands for one around `Training`.
"""

from nas_env.evaluators.base import EVALUATORS, Evaluator, EvaluatorWrapper, failed
from nas_env.evaluators.cached import Cached, with_store
from nas_env.evaluators.deferred import Deferred
from nas_env.evaluators.halving import Halving
from nas_env.evaluators.latency import Latency
from nas_env.evaluators.median_stopping import MedianStopping
from nas_env.evaluators.parallel import Parallel

__all__ = [
    "EVALUATORS",
    "Cached",
    "Deferred",
    "Evaluator",
    "EvaluatorWrapper",
    "Halving",
    "Latency",
    "MedianStopping",
    "Parallel",
    "failed",
    "with_store",
]
