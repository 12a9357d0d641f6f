"""Observations of a state: of the walk, and of the performance of the trained network."""

from nas_env.observations.base import Observation, Walks
from nas_env.observations.training import EDIT_OBSERVATIONS
from nas_env.observations.walk import OBSERVATIONS

__all__ = ["EDIT_OBSERVATIONS", "OBSERVATIONS", "Observation", "Walks"]
