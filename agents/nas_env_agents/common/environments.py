"""Properties of an environment that agents check before they use it."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.wrappers import NormalizeReward


def reward_wrapper(env: gymnasium.Env[Any, Any], but: tuple[type, ...] = ()) -> str | None:
    """Return the name of a wrapper around an environment that changes rewards, if there is one.

    Args:
        env: The environment.
        but: Wrappers to ignore.
    """
    while isinstance(env, gymnasium.Wrapper):
        changes = isinstance(env, gymnasium.RewardWrapper | NormalizeReward)
        if changes and not isinstance(env, but):
            return type(env).__name__
        env = env.env
    return None


def simulates_seconds(inner: Any) -> bool:
    """Return whether a table or a surrogate provides the networks' training times.

    Args:
        inner: A `NASEnv` without wrappers.
    """
    table = getattr(inner.evaluator, "table", None)
    if table is None:
        return bool(inner.evaluator.simulates)
    return inner.budget.epochs in table.seconds
