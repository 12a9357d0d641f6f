"""Checks of agents' settings."""

from __future__ import annotations

import math

from nas_env.errors import InvalidSettingError

Rule = tuple[str, object, bool, str]  # name, value, whether it holds, and the rule in words


def check_rules(*rules: Rule) -> None:
    """Check settings against their rules.

    Raises:
        InvalidSettingError: A setting breaks its rule; the message has name, rule and value.
    """
    for name, value, holds, rule in rules:
        if not holds:
            raise InvalidSettingError(f"Setting {name} must be {rule}, but is {value!r}.")


def switches(**values: object) -> list[Rule]:
    """Return the rules of settings that are True or False, by name."""
    return [(x, value, isinstance(value, bool), "True or False") for x, value in values.items()]


def is_number(value: object, least: float = -math.inf, most: float = math.inf) -> bool:
    """Return whether a value is a finite number between two others."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and least <= value <= most
