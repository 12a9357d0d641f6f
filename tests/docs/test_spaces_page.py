"""docs/spaces.md is what its script writes, and its program runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.support.page_programs import printed, programs
from tests.support.paths import ROOT
from tests.support.programs import run_program

PAGE = ROOT / "docs" / "spaces.md"


def test_the_page_is_what_the_registry_makes(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "scripts.studies",
        "spaces",
        "--page",
        str(tmp_path / "spaces.md"),
    ]
    done = run_program(command)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "spaces.md").read_text("utf-8") == PAGE.read_text("utf-8")


def test_the_programs_of_the_page_run() -> None:
    joint, stacked = programs(PAGE.read_text("utf-8"))
    lines = printed(joint, ROOT)
    assert re.match(r"optimizer (adamw|sgd), learning rate 0\.\d+$", lines[0])
    assert lines[-1].startswith("Recipe(optimizer=")
    assert printed(stacked, ROOT) == ["11 19"]  # stem, two ends; 8 cells, or 12 + 2 and 2 at first
