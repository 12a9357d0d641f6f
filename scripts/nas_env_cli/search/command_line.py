"""Parsing of the command line of `nas-env search`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import tyro

from nas_env_cli.search.options import SearchOptions

REPEATABLE = {  # each takes several values, which are added to those of the default
    "--agent-option": "agent_option",
    "--env-option": "env_option",
    "--import": "imports",
    "--column": "column",
    "--missing": "missing",
}


def parse(arguments: Sequence[str]) -> SearchOptions:
    """Return the options of a command line.

    With --resume, omitted options have the values of the interrupted search.

    Args:
        arguments: Command-line arguments after `nas-env search`.
    """
    words = _one_value_each(arguments)
    options = _cli(words, SearchOptions())
    folder = options.output.output
    if not options.output.resume or folder is None or not (folder / "options.json").is_file():
        return options
    from nas_env_cli.search.saved_options import begun_with

    begun = begun_with(folder)
    flags: dict[str, Any] = {name: True for name, x in begun.items() if x is True}
    repeated = {name: () for flag, name in REPEATABLE.items() if _is_given(flag, words)}
    again = _cli(words, begun.changed(**dict.fromkeys(flags, False), **repeated))
    return again.changed(**flags)  # tyro cannot set a flag whose default is True


def _cli(words: Sequence[str], default: SearchOptions) -> SearchOptions:
    description = inspect.cleandoc(SearchOptions.__doc__ or "")
    settings: dict[str, Any] = {"prog": "nas-env search", "description": description}
    options: SearchOptions = tyro.cli(SearchOptions, args=words, default=default, **settings)
    return options


def _is_given(flag: str, words: Sequence[str]) -> bool:
    return any(word.replace("_", "-").partition("=")[0] == flag for word in words)


def _one_value_each(words: Sequence[str]) -> list[str]:
    """Repeat the flag before each value: `--import a b` becomes `--import a --import b`."""
    result: list[str] = []
    flag, values = "", 0
    for word in words:
        if word.startswith("-"):
            flag, equals, _ = word.replace("_", "-").partition("=")
            values = len(equals)
        elif flag in REPEATABLE:
            values += 1
            result += [flag] if values > 1 else []
        result.append(word)
    return result
