"""Small finished runs, as `nas-env search` leaves them, without the script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym

from nas_env.wrappers import Limits
from nas_env_agents import observation_of
from nas_env_agents.q_learning import QLearning
from nas_env_cli.report.data import read_run
from nas_env_cli.report.decisions import q_heat
from nas_env_cli.report.page import Run
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.session import run_search
from nas_env_cli.search.summary import SearchSummary


def environment(agent: str, store: Any = None, space: str = "chain") -> Any:
    """Return an environment with made-up scores and the observation of an agent."""
    return gym.make(
        "NAS-v0",
        space=space,
        evaluator="synthetic",
        observation=observation_of(agent, "NAS-v0"),
        store=store,
    )


def make_run(
    path: Path,
    agent: str = "q-learning",
    evaluations: int = 24,
    reference: bool = True,
    finished: bool = True,
    space: str = "chain",
) -> Path:
    """Run a search, and random search beside it where told, and leave their folder."""
    folder = RunFolder(path, {"agent": agent, "store": None}, resume=False)
    searches = {}
    for name in dict.fromkeys((agent, "random") if reference else (agent,)):
        env = environment(name, folder.store, space)
        searches[name] = run_search(name, env, Limits(evaluations), 0, token=folder.token(name))
        folder.write_agent(name, searches[name].agent)
    if finished:
        folder.write_summary(SearchSummary({}, searches, [], 359, []), "# Summary\n")
    return path


def read(path: Path, agent: str = "q-learning", space: str = "chain", name: str = "") -> Run:
    """Return a run as the page needs it, with the Q-table of a tabular agent."""
    env = environment(agent, space=space)
    table = None
    if agent == "q-learning":
        table = q_heat(QLearning.load(path / "agents" / agent, env))
    inner = env.unwrapped
    return Run(read_run(path, inner, name or None), inner.task.spec, table)
