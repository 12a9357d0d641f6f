"""Programs of a page of the docs, run as a reader runs them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.support.programs import run_program


def programs(page: str) -> list[str]:
    """Return the blocks of Python of a page, in order."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def printed(program: str, folder: Path, warns: bool = True) -> list[str]:
    """Return the lines that a program prints, run in a process of its own in a folder.

    Args:
        program: Its text.
        folder: The folder.
        warns: Whether it may warn.
    """
    done = run_program([sys.executable, "-c", program], folder)
    assert done.returncode == 0, done.stderr
    assert warns or "Warning" not in done.stderr
    return done.stdout.splitlines()
