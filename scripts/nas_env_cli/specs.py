"""What `--agents` and `--envs` name: a registered name or an import path, settings, a label."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium

from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.registration import environment_ids
from nas_env.registry import unknown_name
from nas_env_agents.common.base import AGENTS, make_agent, observation_of
from nas_env_agents.common.environments import simulates_seconds
from nas_env_agents.common.hyperparameters import hyperparameters, preset
from nas_env_cli.key_values import parse_settings, split_settings

LABEL = re.compile(r"([^:=\[\]{}]+)=(.+)", re.DOTALL)
FILES = ("path", "data")  # settings that name a file
FORM = "LABEL=NAME:SETTING=VALUE,SETTING=VALUE; the label may be left out"


@dataclass(frozen=True)
class EnvSpec:
    """An environment of a benchmark, such as `c10=NASBench201-v0:dataset=cifar10`.

    Attributes:
        label: How tables name it; the whole text where no label was given.
        id: Environment id.
        settings: Arguments of `gymnasium.make`.

    Example:
        >>> EnvSpec.parse("c10=NASBench201-v0:dataset=cifar10").settings
        {'dataset': 'cifar10'}
    """

    label: str
    id: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> EnvSpec:
        """Return the environment that a text names.

        Raises:
            UnknownNameError: No such environment.
            InvalidSettingError: The text is not LABEL=ID:NAME=VALUE,NAME=VALUE.
        """
        label, rest = _label(text)
        name, _, settings = rest.partition(":")
        ids = environment_ids()
        if name not in ids:
            raise unknown_name("environment", name, ids)
        return cls(label, name, _settings(settings, text))

    def make(self, observation: str | None = None) -> gymnasium.Env[Any, Any]:
        """Return the environment, with an agent's observation unless the settings have one."""
        environment_ids()  # registers those of plug-ins, also in a new process
        more = {} if observation is None else {"observation": observation}
        return gymnasium.make(self.id, **{**more, **self.settings})

    def tells_seconds(self) -> bool:
        """Return whether a table or a surrogate tells how long the networks took to train."""
        return simulates_seconds(self.make().unwrapped)

    def to_json(self) -> dict[str, Any]:
        """Return id and settings as plain data."""
        return {"id": self.id, "settings": self.settings}

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of each file that a setting names: a table, or data."""
        paths = {name: self.settings.get(name) for name in FILES}
        return {
            name: hashlib.sha256(Path(path).read_bytes()).hexdigest()
            for name, path in paths.items()
            if isinstance(path, str) and Path(path).is_file()
        }


@dataclass(frozen=True)
class AgentSpec:
    """An agent of a benchmark: `random`, `rea=regularized-evolution:sample_size=3`, `my:MyAgent`.

    A class from an import path needs either `create(env, seed, device, **settings)` or the
    constructor of Stable-Baselines3, `(policy, env, seed=, device=, **settings)`, and
    `learn(total_timesteps, callback)`. Its attribute `observation` (none: "tokens") names the
    observation it wants, the setting `policy` (none: "MlpPolicy") the policy.

    Attributes:
        label: How tables name it; the whole text where no label was given.
        name: A registered name, or MODULE:CLASS.
        settings: Hyper-parameters over the stored ones.

    Example:
        >>> AgentSpec.parse("a2c=stable_baselines3:A2C:n_steps=8").settings
        {'n_steps': 8}
    """

    label: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> AgentSpec:
        """Return the agent that a text names; a class is imported to see that it is there.

        Raises:
            UnknownNameError: No such agent, or no such class.
            InvalidSettingError: The text is not LABEL=NAME:SETTING=VALUE,SETTING=VALUE.
        """
        label, rest = _label(text)
        name, _, settings = rest.partition(":")
        if name not in AGENTS and settings and "=" not in settings.partition(":")[0]:
            path, _, settings = settings.partition(":")
            name = f"{name}:{path}"
        spec = cls(label, name, _settings(settings, text))
        spec.load()
        return spec

    @property
    def imported(self) -> bool:
        """Whether it is a class from an import path."""
        return ":" in self.name

    def observation(self, env: EnvSpec) -> str | None:
        """Return the observation that suits the agent; None: the environment's own."""
        if self.imported:
            return getattr(self.load(), "observation", None)
        return observation_of(self.name, env.id)

    def make(self, env: gymnasium.Env[Any, Any], seed: int) -> Any:
        """Return the agent for an environment."""
        if not self.imported:
            return make_agent(self.name, env, seed, **self.settings)
        kind = self.load()
        if hasattr(kind, "create"):
            return kind.create(env, seed, "cpu", **self.settings)
        settings = {"policy": "MlpPolicy", "seed": seed, "device": "cpu", **self.settings}
        return kind(settings.pop("policy"), env, **settings)

    def check_settings(self, env: gymnasium.Env[Any, Any]) -> None:
        """Refuse settings that a registered agent does not take; a class is made by its run only.

        Raises:
            InvalidSettingError: It has no such setting, or one is out of its range.
        """
        if self.imported:
            return
        try:
            self.make(env, 0)
        except TypeError as error:
            raise InvalidSettingError(
                f"Agent {self.label!r} cannot be made with its settings ({error}). Correct them."
            ) from None

    def to_json(self, envs: Iterable[EnvSpec] = ()) -> dict[str, Any]:
        """Return name and settings, and the stored hyper-parameters for these environments."""
        data: dict[str, Any] = {"name": self.name, "settings": self.settings}
        if not self.imported:
            data["stored"] = {env.id: hyperparameters(self.name, env.id) for env in envs}
            if preset_name := self.settings.get("preset"):
                data["preset"] = preset(self.name, preset_name)
        return data

    def load(self) -> Any:
        """Return the agent's class.

        Raises:
            UnknownNameError: No such agent, or no such class.
        """
        if not self.imported and "." not in self.name:
            return AGENTS.get(self.name)
        module, _, name = self.name.partition(":")
        if not self.imported or module.startswith(".") or "/" in module or module[-3:] == ".py":
            raise UnknownNameError(
                f"Unknown agent {self.name!r}. Give MODULE:CLASS, such as my_module:MyAgent for "
                "the class MyAgent of my_module.py in the folder you are in, or one of: "
                f"{', '.join(AGENTS)}."
            )
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UnknownNameError(
                f"Unknown agent {self.name!r} ({error}). Give MODULE:CLASS that Python finds from "
                f"here, or one of: {', '.join(AGENTS)}."
            ) from None


def file_name(agent: str) -> str:
    """Return the name of an agent's files and folders.

    Example:
        >>> file_name("q-learning"), file_name("my_package.agents:Mine")
        ('q-learning', 'my_package-agents-Mine')
    """
    return re.sub(r"[^\w-]+", "-", agent)


def check_learn(agent: Any) -> None:
    """Refuse an agent that cannot be called as `learn(total_timesteps, callback)`.

    Raises:
        InvalidSettingError: It has no such method.
    """
    try:
        inspect.signature(agent.learn).bind(1, None)
    except (AttributeError, TypeError) as error:
        raise InvalidSettingError(
            f"Class {type(agent).__name__} has no learn(total_timesteps, callback) ({error}). "
            "Give it one."
        ) from None


def distinct(specs: Iterable[Any], what: str) -> None:
    """Refuse two with one label.

    Raises:
        InvalidSettingError: A label stands twice.
    """
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidSettingError(
                f"Two {what} have the label {label!r}. Give one of them another: LABEL={label}."
            )


def _label(text: str) -> tuple[str, str]:
    """Return label and rest; where the text has no label, it is its own."""
    match = LABEL.fullmatch(text.strip())
    return (match[1], match[2]) if match else (text.strip(), text.strip())


def _settings(text: str, whole: str) -> dict[str, Any]:
    """Return the settings of NAME=VALUE,NAME=VALUE."""
    return parse_settings(split_settings(text), whole, FORM)
