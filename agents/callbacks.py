"""Stable-Baselines3's callbacks around agents that have no rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    ConvertCallback,
    EvalCallback,
    ProgressBarCallback,
)

from nas_env.errors import IncompatibleError

Given = BaseCallback | list[BaseCallback] | Callable[[dict[str, Any], dict[str, Any]], bool] | None


def one_callback(given: Given, progress_bar: bool) -> BaseCallback:
    """Return what `learn` was given as one callback: a callback, a list, a function, or nothing.

    Raises:
        IncompatibleError: It is an `EvalCallback`.
    """
    listed: list[BaseCallback] = list(given) if isinstance(given, list) else []
    if isinstance(given, BaseCallback):
        listed = [given]
    elif given is not None and not isinstance(given, list):
        listed = [ConvertCallback(given)]
    if any(isinstance(callback, EvalCallback) for callback in listed):
        raise IncompatibleError(
            "EvalCallback plays a second environment, but these agents look up in their own what "
            "is legal. Leave it out, and between two calls of learn() use "
            "evaluate_policy(agent, agent.env)."
        )
    listed += [ProgressBarCallback()] if progress_bar else []
    return listed[0] if len(listed) == 1 else CallbackList(listed)


def after_step(
    callback: BaseCallback, done: bool, reward: float = 0.0, info: dict[str, Any] | None = None
) -> bool:
    """Tell a callback of a step, as of a vector of one environment; return whether to go on."""
    told = {"dones": np.array([done]), "rewards": np.array([reward]), "infos": [info or {}]}
    callback.update_locals(told)
    return callback.on_step()
