"""Stable-Baselines3's callbacks around agents that have no rollouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    ConvertCallback,
    EvalCallback,
    EventCallback,
    ProgressBarCallback,
)

from nas_env.errors import IncompatibleError

Function = Callable[[dict[str, Any], dict[str, Any]], bool]
Given = BaseCallback | Function | Sequence[BaseCallback | Function] | None


def one_callback(argument: Given, progress_bar: bool) -> BaseCallback:
    """Combine the `callback` argument of `learn` (callback, list, function or None) into one.

    Raises:
        IncompatibleError: It contains an `EvalCallback`.
    """
    each: Sequence[Any] = argument if isinstance(argument, list | tuple) else [argument]
    present = [x for x in each if x is not None]
    listed = [x if isinstance(x, BaseCallback) else ConvertCallback(x) for x in present]
    if any(_evaluates(callback) for callback in listed):
        raise IncompatibleError(
            "EvalCallback evaluates in a second environment, but these agents read masks from "
            "their own. Remove it, and call evaluate_policy(agent, agent.env) between two calls "
            "of learn()."
        )
    listed += [ProgressBarCallback()] if progress_bar else []
    return listed[0] if len(listed) == 1 else CallbackList(listed)


def _evaluates(callback: BaseCallback) -> bool:
    """Return whether a callback is, or holds, an `EvalCallback`."""
    inner = list(callback.callbacks) if isinstance(callback, CallbackList) else []
    if isinstance(callback, EventCallback) and callback.callback is not None:
        inner.append(callback.callback)
    return isinstance(callback, EvalCallback) or any(map(_evaluates, inner))


def after_step(
    callback: BaseCallback, done: bool, reward: float = 0.0, info: dict[str, Any] | None = None
) -> bool:
    """Call a callback after a step of one environment; return whether to continue."""
    step_locals = {"dones": np.array([done]), "rewards": np.array([reward]), "infos": [info or {}]}
    callback.update_locals(step_locals)
    return callback.on_step()
