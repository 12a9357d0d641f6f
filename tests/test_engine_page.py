"""The programs of docs/engine.md run as they are written, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ok",
        "MedianStopping",
        "640",
        "512",
        "evaluations 50",
        "async-regularized-evolution evaluations True",
    ]


def test_the_page_names_what_there_is() -> None:
    from agents import AGENTS
    from agents.asynchronous import Asynchronous
    from agents.deferred import DeferredScoring

    for name in AGENTS:
        if issubclass(AGENTS.get(name), Asynchronous | DeferredScoring):
            assert f"`{name}`" in PAGE, name
