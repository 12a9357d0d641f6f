"""Evaluators: candidates in, evaluations out, in order and as many.

One file per kind; a kind registers itself with `@EVALUATORS.register(name)`. `combine` holds
evaluators around evaluators.
"""

from nas_env.evaluators.base import EVALUATORS, Evaluator, failed
from nas_env.evaluators.combine import Cached

__all__ = ["EVALUATORS", "Cached", "Evaluator", "failed"]
