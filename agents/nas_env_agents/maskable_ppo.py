"""`maskable-ppo`: sb3-contrib's proximal policy optimisation with masked illegal actions."""

from __future__ import annotations

from typing import ClassVar

import sb3_contrib

from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.deferred import DeferredScoring
from nas_env_agents.common.elites import Elites
from nas_env_agents.common.limits import FollowLimit


@AGENTS.register("maskable-ppo")
class MaskablePPO(Elites, DeferredScoring, FollowLimit, sb3_contrib.MaskablePPO):
    """Learns a policy over the legal actions only.

    Reference: Huang and Ontañón, "A Closer Look at Invalid Action Masking in Policy Gradient
    Algorithms", 2022.
    """

    observation: ClassVar[str] = "tokens"
