"""Loading of the agents that a search has saved."""

from __future__ import annotations

from pathlib import Path

from nas_env_agents.q_learning import QLearning
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.plan import SearchPlan


def load_q_agent(run: Path, plan: SearchPlan) -> QLearning | None:
    """Return the tabular agent saved by a search; None if there is none."""
    kind, saved = plan.agent.load(), RunFolder.agent_in(run, plan.agent.name)
    if not issubclass(kind, QLearning) or not list(saved.parent.glob(f"{saved.name}*")):
        return None
    agent: QLearning = kind.load(saved, plan.env_for_reading())
    return agent
