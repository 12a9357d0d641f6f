"""`maskable-ppo`: sb3-contrib's proximal policy optimisation with masked illegal actions."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import gymnasium
import sb3_contrib

from agents.base import AGENTS
from agents.deferred import DeferredScoring
from agents.elites import Elites
from agents.limits import FollowLimit


@AGENTS.register("maskable-ppo")
class MaskablePPO(Elites, DeferredScoring, FollowLimit, sb3_contrib.MaskablePPO):
    """Learns a policy over the legal actions only.

    Reference: Huang and Ontañón, "A Closer Look at Invalid Action Masking in Policy Gradient
    Algorithms", 2022.
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
