"""Run the programs of `docs/q-table.md` as printed, and save their picture."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nas_env.errors import NASError
from scripts.studies.common.experiment import ROOT

PAGE = ROOT / "docs" / "q-table.md"
FOLDER = ROOT / "docs" / "q-table"


@dataclass(frozen=True)
class Options:
    """Run the programs of docs/q-table.md and write the picture of that page."""

    output: Path = FOLDER
    """Folder of the picture."""


def programs(page: Path = PAGE) -> list[str]:
    """Return the Python programs of the page, in order."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def run(options: Options) -> int:
    """Run each program in the output folder and return the exit code.

    Raises:
        NASError: A program of the page fails.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    for program in programs():
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=options.output,
            env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": path},
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise NASError(f"A program of {PAGE.name} failed:\n{done.stderr}")
    print(f"Written: {options.output / 'heat-map.png'}")
    return 0
