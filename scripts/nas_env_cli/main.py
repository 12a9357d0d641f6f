"""The command `nas-env`: a sub-command's name, then its own options."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "search": "Search a network with an agent, beside random search.",
    "benchmark": "Compare agents on environments over many seeds.",
    "leaderboard": "Write the leaderboard page from files of results.",
    "replay": "Play committed results again and compare.",
    "export": "Write the best network of a run as plain PyTorch, ONNX and more.",
    "retrain": "Train the best networks of a run for longer, alone and as an ensemble.",
    "report": "Write one HTML page about one or several runs.",
    "watch": "Show a running search in the terminal.",
    "plot-q": "Draw the Q-table of a finished search.",
}


def usage() -> str:
    """Return the help of the command itself."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    head = (
        "usage: nas-env COMMAND [OPTIONS]\n\nNeural architecture search as a Gymnasium environment."
    )
    return "\n".join(
        [head, "", "commands:", *lines, "", "nas-env COMMAND --help lists its options."]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command and return its exit code.

    Args:
        arguments: The words after `nas-env`; None for those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    if words[0] not in COMMANDS:
        from nas_env.registry import unknown_name

        print(f"error: {unknown_name('command', words[0], COMMANDS)}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"nas_env_cli.commands.{words[0].replace('-', '_')}")
    return int(module.main(words[1:]))
