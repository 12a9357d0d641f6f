"""Settings on the command line: `key=value`, one by one or separated by commas."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from typing import Any

BEFORE_A_KEY = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=|\s*$)")  # the commas between settings
WORDS = {"True": True, "False": False, "None": None}


def parse_settings(
    texts: Iterable[str], whole: str = "", form: str = "key=value"
) -> dict[str, Any]:
    """Return the settings in texts of the form `key=value`.

    Args:
        texts: One setting each; a later text overrides an earlier one with the same key.
        whole: The text that the settings are part of, for messages.
        form: The expected form of the whole text, for messages.

    Raises:
        InvalidSettingError: A text has another form.

    Example:
        >>> parse_settings(["sample_size=3", "name=cifar10", "columns=['a', 'b']"])
        {'sample_size': 3, 'name': 'cifar10', 'columns': ['a', 'b']}
    """
    settings = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip().isidentifier():
            from nas_env.errors import InvalidSettingError

            of = f" of {whole!r}" if whole else ""
            raise InvalidSettingError(f"Setting {text!r}{of} is not key=value. Write {form}.")
        settings[key.strip()] = parse_value(value.strip())
    return settings


def split_settings(text: str) -> list[str]:
    """Return the settings of `key=value,key=value`; a value may contain commas.

    Example:
        >>> split_settings("layers=[16,32],name=a")
        ['layers=[16,32]', 'name=a']
    """
    return BEFORE_A_KEY.split(text) if text else []


def parse_value(text: str) -> Any:
    """Return a value: JSON or a Python literal; any other text is a string.

    Example:
        >>> parse_value("1e-3"), parse_value("true"), parse_value("None"), parse_value("cifar10")
        (0.001, True, None, 'cifar10')
    """
    if text in WORDS:
        return WORDS[text]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def as_texts(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return settings as texts; the inverse of `parse_settings`."""
    return tuple(f"{key}={json.dumps(value)}" for key, value in settings.items())
