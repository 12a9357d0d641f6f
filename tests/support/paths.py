"""Folders, and the words that start the programs of the repository."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE_PLUGIN = ROOT / "tests" / "support" / "example_plugin"
SHARED = ROOT.parent / "shared" / "data"
NAS_ENV = (sys.executable, "-m", "nas_env_cli")  # the command, also where it is not installed


def program(command: str) -> list[str]:
    """Return the words that run `nas-env ...`, or a module such as `scripts.bench ...`."""
    first, *rest = command.split()
    return [*NAS_ENV, *rest] if first == "nas-env" else [sys.executable, "-m", first, *rest]
