"""Objectives map an evaluation to a score; higher is better, and the bounds are finite.

Each file defines one objective and registers it with `@OBJECTIVES.register(name)`.
"""

from nas_env.objectives.accuracy import Accuracy
from nas_env.objectives.base import OBJECTIVES, Objective
from nas_env.objectives.block_qnn import BlockQNN
from nas_env.objectives.constrained import Constrained
from nas_env.objectives.cost import AccuracyUnderCost
from nas_env.objectives.cubed import CubedAccuracy
from nas_env.objectives.loss import NegativeLoss
from nas_env.objectives.metric import TaskMetric
from nas_env.objectives.mnasnet import MnasNet
from nas_env.objectives.weighted import WeightedSum

__all__ = [
    "OBJECTIVES",
    "Accuracy",
    "AccuracyUnderCost",
    "BlockQNN",
    "Constrained",
    "CubedAccuracy",
    "MnasNet",
    "NegativeLoss",
    "Objective",
    "TaskMetric",
    "WeightedSum",
]
