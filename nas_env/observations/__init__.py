"""What an agent sees of a state: the walk, and how the network in training is doing."""

from nas_env.observations.base import Observation, Walks
from nas_env.observations.training import EDIT_OBSERVATIONS
from nas_env.observations.walk import OBSERVATIONS

__all__ = ["EDIT_OBSERVATIONS", "OBSERVATIONS", "Observation", "Walks"]
