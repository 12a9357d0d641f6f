"""Hyper-parameters as data: `hyperparameters.toml`, keyed by agent and environment."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("hyperparameters.toml")


@cache
def _table() -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def hyperparameters(agent: str, env_id: str) -> dict[str, Any]:
    """Return the values of an agent for an environment: its own entries over the defaults."""
    entries = _table().get(agent, {})
    return {
        name: entry["value"]
        for section in ("default", env_id)
        for name, entry in entries.get(section, {}).items()
    }
