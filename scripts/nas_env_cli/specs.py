"""Specifications of agents and environments on the command line: label, name and settings."""

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
FILES = ("path", "data")  # settings that are paths of files
FORM = "LABEL=NAME:SETTING=VALUE,SETTING=VALUE; the label may be left out"


@dataclass(frozen=True)
class EnvSpec:
    """An environment of a benchmark, such as `c10=NASBench201-v0:dataset=cifar10`.

    Attributes:
        label: Name in tables; the whole text if it has no label.
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
        """Parse the text of an environment.

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
        """Return whether the table or surrogate has training times of the networks."""
        return simulates_seconds(self.make().unwrapped)

    def to_json(self) -> dict[str, Any]:
        """Return id and settings as plain data."""
        return {"id": self.id, "settings": self.settings}

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of each file in the settings, such as a table or data."""
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
    `learn(total_timesteps, callback)`. Its attribute `observation` (default: "tokens") is the
    observation that it needs, and the setting `policy` (default: "MlpPolicy") its policy.

    Attributes:
        label: Name in tables; the whole text if it has no label.
        name: A registered name, or MODULE:CLASS.
        settings: Hyper-parameters that override the stored ones.

    Example:
        >>> AgentSpec.parse("a2c=stable_baselines3:A2C:n_steps=8").settings
        {'n_steps': 8}
    """

    label: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> AgentSpec:
        """Parse the text of an agent; import its class to check that it exists.

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
        """Return the observation that the agent needs; None: the default of the environment."""
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
        """Check the settings of a registered agent; imported classes are not checked.

        Raises:
            InvalidSettingError: A setting is unknown or out of its range.
        """
        if self.imported:
            return
        try:
            self.make(env, 0)
        except TypeError as error:
            raise InvalidSettingError(
                f"Agent {self.label!r} cannot be created with its settings ({error}). Correct them."
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
                "the class MyAgent of my_module.py in the current folder, or one of: "
                f"{', '.join(AGENTS)}."
            )
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UnknownNameError(
                f"Unknown agent {self.name!r} ({error}). Give an importable MODULE:CLASS, or one "
                f"of: {', '.join(AGENTS)}."
            ) from None


def file_name(agent: str) -> str:
    """Return the file name for an agent.

    Example:
        >>> file_name("q-learning"), file_name("my_package.agents:Mine")
        ('q-learning', 'my_package-agents-Mine')
    """
    return re.sub(r"[^\w-]+", "-", agent)


def check_learn(agent: Any) -> None:
    """Check that an agent has a method `learn(total_timesteps, callback)`.

    Raises:
        InvalidSettingError: It has no such method.
    """
    try:
        inspect.signature(agent.learn).bind(1, None)
    except (AttributeError, TypeError) as error:
        raise InvalidSettingError(
            f"Class {type(agent).__name__} has no learn(total_timesteps, callback) ({error}). "
            "Add it."
        ) from None


def distinct(specs: Iterable[Any], what: str) -> None:
    """Check that all labels are distinct.

    Raises:
        InvalidSettingError: A label is used twice.
    """
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidSettingError(
                f"Two {what} have the label {label!r}. Rename one: LABEL={label}."
            )


def _label(text: str) -> tuple[str, str]:
    """Return the label and the rest of a text; a text without label is its own label."""
    match = LABEL.fullmatch(text.strip())
    return (match[1], match[2]) if match else (text.strip(), text.strip())


def _settings(text: str, whole: str) -> dict[str, Any]:
    """Return the settings of NAME=VALUE,NAME=VALUE."""
    return parse_settings(split_settings(text), whole, FORM)
