"""The programs of docs/environments.md run as they are written, one after the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "environments.md"


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert any("TrackSearch" in block and ".finished" in block for block in blocks)
    (tmp_path / "mine.csv").write_text("op1,op2,valid\na,b,0.5\na,c,0.6\n")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    evaluation, search = done.stdout.splitlines()
    assert "regret_report" in evaluation
    assert search.startswith("simulated_seconds ")
