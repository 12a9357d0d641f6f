"""Evaluators: turn candidates into evaluations, one per candidate and in order.

Each file defines one kind and registers it with `@EVALUATORS.register(name)`. Wrappers (`Cached`,
`Halving`, `MedianStopping` and others) take the wrapped evaluator as an argument. If a wrapper is
selected by name, it wraps `Training`.
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
