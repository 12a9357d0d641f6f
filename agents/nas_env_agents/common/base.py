"""The protocol and registry of agents, and `make_agent`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import gymnasium
from stable_baselines3.common.vec_env import VecEnv

from nas_env.errors import IncompatibleError
from nas_env.registry import Registry
from nas_env_agents.common.hyperparameters import hyperparameters, preset


class Agent(Protocol):
    """The protocol of agents: that of Stable-Baselines3's algorithms.

    Attributes:
        observation: The observation of `NASEnv` that suits the agent.
    """

    observation: ClassVar[str]

    @classmethod
    def create(cls, env: Any, seed: int, device: str, **settings: Any) -> Self:
        """Return an agent for an environment."""

    def learn(
        self, total_timesteps: int, callback: Any = None, *, progress_bar: bool = False
    ) -> Any:
        """Learn for a number of steps, or until the callback returns False."""

    def predict(self, observation: Any, *, deterministic: bool = False) -> tuple[Any, Any]:
        """Return the action for an observation, and the next recurrent state (None)."""

    def save(self, path: str | Path) -> None:
        """Write the agent to a file."""

    def set_logger(self, logger: Any) -> None:
        """Set the Stable-Baselines3 logger."""


AGENTS: Registry[type[Agent]] = Registry("agent", package="nas_env_agents", exclude=("common",))


def observation_of(name: str, env_id: str = "default") -> str:
    """Return the observation that suits an agent on an environment.

    Raises:
        UnknownNameError: No such agent.
    """
    default = AGENTS.get(name).observation
    return str(hyperparameters(name, env_id).get("observation", default))


def settings_of(name: str, env_id: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyper-parameters of an agent: given ones override stored ones.

    The setting `preset` selects a named set of stored values, such as "zoph-le", instead of the
    environment's.

    Raises:
        UnknownNameError: The agent has no such preset.
    """
    chosen = dict(overrides)
    preset_name = chosen.pop("preset", None)
    values = {
        **hyperparameters(name, env_id),
        **(preset(name, preset_name) if preset_name else {}),
        **chosen,
    }
    values.pop("observation", None)
    return values


def make_agent(
    name: str,
    env: gymnasium.Env[Any, Any] | VecEnv,
    seed: int = 0,
    device: str = "cpu",
    **settings: Any,
) -> Agent:
    """Return a registered agent with its hyper-parameters for this environment.

    Args:
        name: A name in `AGENTS`.
        env: The environment, or for agents of Stable-Baselines3 a vector of them; its `spec.id`
            selects the hyper-parameters.
        seed: Seed of the agent's own randomness and of the environment's.
        device: Device of a neural agent; these networks are small, so "cpu" is fastest.
        settings: Hyper-parameters that override the stored ones. Also "preset": the name of a
            paper's settings in `agents/nas_env_agents/hyperparameters.toml`. Also "deferred":
            whether networks are scored by whole rollouts, see `nas_env_agents.common.deferred`.
            By default they are if the agent supports it and the evaluator runs several
            evaluations at once.

    Raises:
        UnknownNameError: No such agent, or no such preset.
        IncompatibleError: `env` is not an environment, or scoring cannot be deferred.
    """
    untyped_env: Any = env
    if not isinstance(untyped_env, gymnasium.Env | gymnasium.vector.VectorEnv | VecEnv):
        raise IncompatibleError(
            f"Agent {name!r} needs an environment, but was given {untyped_env!r}. Make one, such "
            "as gymnasium.make('NAS-v0')."
        )
    values = settings_of(name, _env_id(env), settings)
    deferred = values.pop("deferred", None)
    agent = AGENTS.get(name).create(env, seed, device, **values)
    if deferred is not None:
        _set_deferred(name, agent, deferred)
    return agent


def _set_deferred(name: str, agent: Agent, deferred: bool) -> None:
    from nas_env_agents.common.deferred import DeferredScoring, why_not

    if isinstance(agent, DeferredScoring):
        agent.deferred = deferred
    if deferred and (reason := why_not(agent)) is not None:
        raise IncompatibleError(f"Scoring cannot be deferred for {name!r}: {reason}")


def _env_id(env: gymnasium.Env[Any, Any] | VecEnv) -> str:
    """Return the id of an environment, or of the first lane of a vector."""
    spec = env.get_attr("spec", 0)[0] if isinstance(env, VecEnv) else env.spec
    return spec.id if spec else "default"
