"""Schedules that follow the share of the search's limit, not the number of steps."""

from __future__ import annotations

from typing import Any

import gymnasium
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from nas_env.wrappers import TrackSearch


def share_used(env: gymnasium.Env[Any, Any] | VecEnv | None) -> float | None:
    """Return the used share of the limit of the search around an environment, or None."""
    tracker = tracker_of(env)
    return None if tracker is None else tracker.share


def tracker_of(env: gymnasium.Env[Any, Any] | VecEnv | None) -> TrackSearch | None:
    """Return the `TrackSearch` wrapper around an environment, or None."""
    layer: Any = env
    while isinstance(layer, VecEnv):
        layer = layer.envs[0] if isinstance(layer, DummyVecEnv) else getattr(layer, "venv", None)
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, TrackSearch):
            return layer
        layer = layer.env
    return None


class FollowLimit:
    """Mixin for Stable-Baselines3's algorithms, placed before them in the bases.

    Exploration and learning-rate schedules follow the remaining share of the search's limit.
    Outside a search they follow the share of the steps, as usual.
    """

    env: Any
    _current_progress_remaining: float

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        used = share_used(self.env)
        if used is None:
            used = num_timesteps / total_timesteps
        self._current_progress_remaining = 1.0 - used
