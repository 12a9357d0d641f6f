"""Controllers: each drives a Gymnasium environment with Stable-Baselines3's verbs.

One file per agent; an agent registers itself with `@AGENTS.register(name)`.
"""

from nas_env_agents.common.base import AGENTS, Agent, make_agent, observation_of

__all__ = ["AGENTS", "Agent", "make_agent", "observation_of"]
