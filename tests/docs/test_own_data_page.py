"""The programs of docs/own-data.md run as they are written, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

from nas_env.sources.base import SPLIT_NAMES
from nas_env.tasks.own_data import METRICS
from tests.support.page_programs import printed, programs
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    blocks = programs(PAGE)
    assert printed("\n".join(blocks), tmp_path) == [
        "regression (5,) (240, 80, 80)",
        "ok True",
        "(3, 8, 8) (18, 6, 6)",
        "(2, 5) columns",
        "The given table: row 1 has old in the column 'age', of which 99.8 % are numbers. Correct "
        "it, leave it empty, name it with missing=['old'] (--missing='old'), or make the whole "
        "column text: columns={'age': 'category'} (--column age=category).",
    ]


def test_the_page_names_what_there_is() -> None:
    for name in (*SPLIT_NAMES, *(metric for names in METRICS.values() for metric in names)):
        assert f"`{name}`" in PAGE, name
    options = set(re.findall(r"(--[a-z][a-z-]+)", PAGE))
    script = (ROOT / "scripts/nas_env_cli/search/options.py").read_text(encoding="utf-8")
    for option in options:
        assert f"    {option[2:].replace('-', '_')}:" in script, option
