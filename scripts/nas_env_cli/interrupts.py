"""How the command lines of benchmarks end."""

from __future__ import annotations

import sys
from collections.abc import Callable

import gymnasium

from nas_env.errors import NASError

INTERRUPTED, REFUSED = 130, 2
REFUSALS = (NASError, gymnasium.error.Error, FileNotFoundError)


def exit_code(run: Callable[[], int]) -> int:
    """Return what a command returns; say what it refused, or that it can go on."""
    try:
        return run()
    except KeyboardInterrupt:
        print("\nInterrupted. Finished runs are kept; the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
