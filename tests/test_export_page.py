"""The programs of docs/export.md run as they are written, and what it quotes is what is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True True", "(2, 10)", "(2, 10)", "True"]
    (quoted,) = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
    assert quoted in (tmp_path / "mine" / "network.py").read_text(encoding="utf-8")
    named = set(re.findall(r"`(network\.[\w.]+|weights\.\w+)`", PAGE))
    assert {path.name for path in (tmp_path / "mine").iterdir() if path.is_file()} == named


def test_the_commands_have_the_options_they_are_given() -> None:
    (commands,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    lines = [line.split("#")[0].split() for line in commands.splitlines()]
    assert [line[1] for line in lines] == [
        "scripts/search.py",
        "scripts/export.py",
        "scripts/retrain.py",
    ]
    for line in lines:
        text = (ROOT / line[1]).read_text(encoding="utf-8")
        for option in (word for word in line if word.startswith("--")):
            assert f"    {option.removeprefix('--')}: " in text, option
