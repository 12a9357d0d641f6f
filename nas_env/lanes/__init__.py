"""Many episodes of one process side by side, as `nas_env.vector.NASVectorEnv` steps them."""

from nas_env.lanes.base import Lanes, Turn
from nas_env.lanes.infos import LaneInfos
from nas_env.lanes.make import make_lanes
from nas_env.lanes.scoring import Budgets, Scorer

__all__ = ["Budgets", "LaneInfos", "Lanes", "Scorer", "Turn", "make_lanes"]
