"""What is to be known of an environment before an agent plays it."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.wrappers import NormalizeReward


def reward_wrapper(env: gymnasium.Env[Any, Any], but: tuple[type, ...] = ()) -> str | None:
    """Return the name of a wrapper around an environment that changes rewards, if there is one.

    Args:
        env: The environment.
        but: Wrappers that do not count.
    """
    while isinstance(env, gymnasium.Wrapper):
        changes = isinstance(env, gymnasium.RewardWrapper | NormalizeReward)
        if changes and not isinstance(env, but):
            return type(env).__name__
        env = env.env
    return None


def simulates_seconds(inner: Any) -> bool:
    """Return whether a table or a surrogate tells how long the networks took to train.

    Args:
        inner: A `NASEnv` without wrappers.
    """
    table = getattr(inner.evaluator, "table", None)
    if table is None:
        return bool(inner.evaluator.simulates)
    return inner.budget.epochs in table.seconds
