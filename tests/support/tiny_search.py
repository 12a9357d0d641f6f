"""A search that takes a few seconds, and the commands around it."""

from __future__ import annotations

import subprocess

from tests.support.paths import NAS_ENV
from tests.support.programs import run_program

TINY = ("--agent", "q-learning", "--evaluations", "4", "--retrain-seeds", "2", "--seed", "3")


def script(name: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command of nas-env and check its exit code."""
    done = run_program([*NAS_ENV, name, *map(str, arguments)])
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done
