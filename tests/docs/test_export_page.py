"""The programs of docs/export.md run as they are written, and what it quotes is what is written."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.page_programs import printed, programs
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    blocks = programs(PAGE)
    assert len(blocks) == 5
    assert printed("\n".join(blocks), tmp_path) == [
        "True True",
        "(2, 10)",
        "(2, 10)",
        "tensor([True, True])",
        "True",
    ]
    (quoted,) = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
    assert quoted in (tmp_path / "mine" / "network.py").read_text(encoding="utf-8")
    named = set(re.findall(r"`(network\.[\w.]+|weights\.\w+)`", PAGE))
    assert {path.name for path in (tmp_path / "mine").iterdir() if path.is_file()} == named


def test_the_commands_have_the_options_they_are_given() -> None:
    commands = "".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL))
    lines = [line.split("#")[0].split() for line in commands.splitlines()]
    assert [" ".join(line[:2]) for line in lines] == [
        "nas-env search",
        "nas-env retrain",
        "nas-env export",
        "nas-env export",
    ]
    for line in lines:
        file = "search/options.py" if line[1] == "search" else f"commands/{line[1]}.py"
        text = (ROOT / "scripts" / "nas_env_cli" / file).read_text(encoding="utf-8")
        for option in (word for word in line if word.startswith("--")):
            assert f"    {option.removeprefix('--')}: " in text, option
