"""Evaluators: candidates in, evaluations out, in order and as many.

One file per kind; a kind registers itself with `@EVALUATORS.register(name)`. Evaluators around
evaluators (`Cached` and others) are made from the one inside and not registered.
"""

from nas_env.evaluators.base import EVALUATORS, Around, Evaluator, failed, innermost
from nas_env.evaluators.cached import Cached
from nas_env.evaluators.deferred import Deferred

__all__ = ["EVALUATORS", "Around", "Cached", "Deferred", "Evaluator", "failed", "innermost"]
