"""The command `nas-env`, which dispatches to sub-commands."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

USAGE = """usage: nas-env COMMAND [OPTIONS]

Neural architecture search as a Gymnasium environment.
"""
REFUSED = 2


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        help: One line of help.
        extra: The extra of nas-env that it needs, or None.
    """

    help: str
    extra: str | None = None


COMMANDS = {
    "search": Command(
        "Search for a network with an agent, with random search as baseline.", "agents"
    ),
    "benchmark": Command("Compare agents on environments over many seeds.", "benchmark"),
    "leaderboard": Command("Write the leaderboard page from results files.", "benchmark"),
    "replay": Command("Replay rows of a results file and compare.", "benchmark"),
    "export": Command("Write the best network of a run as plain PyTorch, ONNX, ...", "agents"),
    "retrain": Command("Train the best networks of a run longer, also as an ensemble.", "agents"),
    "report": Command("Write one HTML page about one or several runs.", "agents"),
    "watch": Command("Show a running search in the terminal.", "agents"),
    "plot-q": Command("Draw the Q-table of a finished search.", "agents"),
    "pareto": Command("Show the Pareto set of the networks of runs.", "agents"),
    "list": Command("List spaces, tasks, agents, evaluators, objectives, environments."),
    "describe": Command("Describe one of them."),
}


def usage() -> str:
    """Return the help of the command itself."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    last = (
        "nas-env COMMAND --help lists the options of a command; nas-env --version prints the "
        "version."
    )
    return "\n".join([USAGE, "commands:", *lines, "", last])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command and return its exit code.

    Args:
        arguments: Command-line arguments after `nas-env`; None: those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if words[0] in ("-V", "--version"):
        from nas_env import __version__

        print(f"nas-env {__version__}")
        return 0
    if words[0] not in COMMANDS:
        from nas_env.registry import unknown_name

        print(f"error: {unknown_name('command', words[0], COMMANDS)}", file=sys.stderr)
        return REFUSED
    return _run(words[0], words[1:])


def _run(name: str, words: Sequence[str]) -> int:
    """Run a sub-command; print an error if an extra is missing."""
    from nas_env.errors import MissingDependencyError
    from nas_env.extras import EXTRAS, require

    extra = COMMANDS[name].extra
    try:
        if extra is not None:
            needed = dict.fromkeys((*EXTRAS["agents"], *EXTRAS[extra]))  # benchmark includes agents
            require(f"nas-env {name} needs", extra, *needed)
        module = importlib.import_module(f"nas_env_cli.commands.{name.replace('-', '_')}")
        return int(module.main(words))
    except MissingDependencyError as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
