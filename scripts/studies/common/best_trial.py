"""One search of networks that are trained."""

from __future__ import annotations

from typing import Any

import gymnasium
import torch
from stable_baselines3.common.utils import set_random_seed

import nas_env  # noqa: F401 - registers the environments
from nas_env.wrappers import Limits, TrackSearch, Trial
from nas_env_cli.benchmark.cells import Stop
from nas_env_cli.specs import AgentSpec, EnvSpec


def best_trial(agent: str, seed: int, networks: int, **environment: Any) -> Trial:
    """Return the best trial of a search.

    Args:
        agent: The agent, in the notation of `nas-env benchmark`.
        seed: Seed of the agent and the environment.
        networks: Unique networks that are evaluated.
        environment: Arguments of `NAS-v0`.
    """
    torch.set_num_threads(1)
    spec = AgentSpec.parse(agent)
    observation = spec.observation(EnvSpec("NAS-v0", "NAS-v0"))
    more: dict[str, Any] = {} if observation is None else {"observation": observation}
    env: gymnasium.Env[Any, Any] = gymnasium.make("NAS-v0", **{**more, **environment})
    set_random_seed(seed)
    env.reset(seed=seed)
    tracker = TrackSearch(env, Limits(evaluations=networks))
    spec.make(tracker, seed).learn(10**9, Stop(tracker))
    assert tracker.best is not None
    return tracker.best
