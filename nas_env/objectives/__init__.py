"""Objectives: from an evaluation to a score, higher is better, within finite bounds.

One file per objective; it registers itself with `@OBJECTIVES.register(name)`.
"""

from nas_env.objectives.accuracy import Accuracy
from nas_env.objectives.base import OBJECTIVES, Objective
from nas_env.objectives.cost import AccuracyUnderCost
from nas_env.objectives.loss import NegativeLoss

__all__ = ["OBJECTIVES", "Accuracy", "AccuracyUnderCost", "NegativeLoss", "Objective"]
