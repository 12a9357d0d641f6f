"""Search for a network with an agent, with random search as baseline."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from nas_env_cli.search.command_line import parse


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    started = time.monotonic()
    options = parse(arguments)  # handles --help without importing torch
    print("nas-env search: loading PyTorch", file=sys.stderr, flush=True)
    from nas_env_cli.search.application import run

    return run(options, started)
