"""Hyper-parameters as data: `hyperparameters.toml`, keyed by agent and environment or preset."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from nas_env.errors import InvalidSettingError
from nas_env.registry import unknown_name

FILE = Path(__file__).parents[1] / "hyperparameters.toml"
PRESETS = "presets"


@cache
def _table() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def hyperparameters(agent: str, env_id: str) -> dict[str, Any]:
    """Return the values of an agent for an environment: its own entries over the defaults."""
    entries = _table().get(agent, {})
    return {
        name: entry["value"]
        for section in ("default", env_id)
        for name, entry in entries.get(section, {}).items()
    }


def presets(agent: str) -> tuple[str, ...]:
    """Return the names of an agent's presets: complete settings of papers."""
    return tuple(_table().get(agent, {}).get(PRESETS, {}))


def preset(agent: str, name: str) -> dict[str, Any]:
    """Return the values of a preset of an agent.

    Raises:
        InvalidSettingError: The agent has no presets.
        UnknownNameError: The agent has no preset of this name.
    """
    if not presets(agent):
        raise InvalidSettingError(
            f"Agent {agent!r} has no presets, but preset {name!r} was given. Leave it out."
        )
    if name not in presets(agent):
        raise unknown_name(f"preset of {agent!r}", name, presets(agent))
    entries = _table()[agent][PRESETS][name]
    return {setting: entry["value"] for setting, entry in entries.items()}
