"""`a2c`: Stable-Baselines3's advantage actor-critic, without masks."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import gymnasium
import stable_baselines3

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.deferred import DeferredScoring
from nas_env_agents.common.limits import FollowLimit


@AGENTS.register("a2c")
class A2C(DeferredScoring, FollowLimit, stable_baselines3.A2C):
    """Learns a policy from short rollouts; illegal actions are projected by the environment.

    Reference: Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", 2016.
    """

    observation: ClassVar[str] = "tokens"

    @classmethod
    def create(cls, env: gymnasium.Env[Any, Any], seed: int, device: str, **settings: Any) -> Self:
        """Return an agent with a multi-layer perceptron over the one-hot tokens."""
        return cls("MlpPolicy", env, seed=seed, device=device, **settings)
