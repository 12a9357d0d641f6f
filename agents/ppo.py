"""`ppo`: Stable-Baselines3's proximal policy optimisation, without masks."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import gymnasium
import stable_baselines3

from agents.base import AGENTS
from agents.deferred import DeferredScoring
from agents.elites import Elites
from agents.limits import FollowLimit


@AGENTS.register("ppo")
class PPO(Elites, DeferredScoring, FollowLimit, stable_baselines3.PPO):
    """Learns a policy from rollouts; illegal actions are projected by the environment.

    Reference: Schulman et al., "Proximal Policy Optimization Algorithms", 2017.
    """

    observation: ClassVar[str] = "tokens"

    @classmethod
    def create(
        cls,
        env: gymnasium.Env[Any, Any],
        seed: int,
        device: str,
        elites: int = 0,
        **settings: Any,
    ) -> Self:
        """Return an agent with a multi-layer perceptron over the one-hot tokens.

        Args:
            env: The environment.
            seed: Seed of the agent.
            device: Device of the policy.
            elites: Episodes of each rollout that play the best walks so far again, see `Elites`.
            settings: Arguments of the constructor.
        """
        agent = cls("MlpPolicy", env, seed=seed, device=device, **settings)
        return cls.with_elites(agent, elites)
