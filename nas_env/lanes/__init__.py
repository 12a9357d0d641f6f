"""Parallel episodes of one MDP, the lanes of `nas_env.vector.NASVectorEnv`."""

from nas_env.lanes.base import Lanes, Turn
from nas_env.lanes.infos import LaneInfos
from nas_env.lanes.make import make_lanes
from nas_env.lanes.scoring import Budgets, Scorer

__all__ = ["Budgets", "LaneInfos", "Lanes", "Scorer", "Turn", "make_lanes"]
