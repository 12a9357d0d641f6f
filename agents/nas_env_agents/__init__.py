"""Controllers: each drives a Gymnasium environment with Stable-Baselines3's verbs.

One file per agent; an agent registers itself with `@AGENTS.register(name)`.
"""

from nas_env.extras import require

require("Agents need", "agents", "sb3_contrib", "stable_baselines3", "threadpoolctl")

from nas_env_agents.common.base import (  # noqa: E402 - they import what was just looked for
    AGENTS,
    Agent,
    make_agent,
    observation_of,
)

__all__ = ["AGENTS", "Agent", "make_agent", "observation_of"]
