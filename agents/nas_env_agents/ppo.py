"""`ppo`: Stable-Baselines3's proximal policy optimisation, without masks."""

from __future__ import annotations

from typing import ClassVar

import stable_baselines3

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.deferred import DeferredScoring
from nas_env_agents.common.elites import Elites
from nas_env_agents.common.limits import FollowLimit


@AGENTS.register("ppo")
class PPO(Elites, DeferredScoring, FollowLimit, stable_baselines3.PPO):
    """Learns a policy from rollouts; illegal actions are projected by the environment.

    Reference: Schulman et al., "Proximal Policy Optimization Algorithms", 2017.
    """

    observation: ClassVar[str] = "tokens"
