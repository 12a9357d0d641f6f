"""`dqn`: Stable-Baselines3's deep Q-network, without masks."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import gymnasium
import stable_baselines3

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.limits import FollowLimit


@AGENTS.register("dqn")
class DQN(FollowLimit, stable_baselines3.DQN):
    """Learns action values from a replay buffer; illegal actions are projected by the environment.

    Reference: Mnih et al., "Human-level control through deep reinforcement learning", Nature 2015.
    """

    observation: ClassVar[str] = "tokens"

    @classmethod
    def create(cls, env: gymnasium.Env[Any, Any], seed: int, device: str, **settings: Any) -> Self:
        """Return an agent with a multi-layer perceptron over the one-hot tokens."""
        return cls("MlpPolicy", env, seed=seed, device=device, **settings)
