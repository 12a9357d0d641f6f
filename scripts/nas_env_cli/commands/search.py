"""Search a network with an agent, beside random search."""

from __future__ import annotations

from collections.abc import Sequence

from nas_env_cli.search.command_line import parse


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words that follow its name; return the exit code."""
    options = parse(arguments)  # answers --help without torch
    from nas_env_cli.search.application import run

    return run(options)
