"""Each page that a program makes has one folder of its name, and says which command makes it."""

from __future__ import annotations

import re

from scripts.studies.__main__ import main, pages
from tests.support.paths import ROOT

STUDIES = ROOT / "scripts" / "studies"
MADE = re.compile(
    r"^(?:Made|Pictures made) by `python -m scripts\.studies ([a-z0-9-]+)", re.MULTILINE
)
FILLED = re.compile(r"`python -m scripts\.studies ([a-z0-9-]+)` writes table and picture")


def test_every_page_of_a_study_names_its_command_and_no_other_page_does() -> None:
    said = {
        page.stem: MADE.findall(page.read_text(encoding="utf-8"))
        for page in (ROOT / "docs").glob("*.md")
    }
    said["readme"] = FILLED.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {name: found for name, found in said.items() if found} == {x: [x] for x in pages()}


def test_every_folder_but_common_is_a_study() -> None:
    folders = {path.parent.name for path in STUDIES.glob("*/__init__.py")}
    assert folders == {"common", *(name.replace("-", "_") for name in pages())}
    for name in folders - {"common", "readme"}:
        first = (STUDIES / name / "__init__.py").read_text(encoding="utf-8").splitlines()[0]
        assert f"docs/{name.replace('_', '-')}.md" in first


def test_a_wrong_page_is_answered_with_the_right_one(capsys) -> None:
    assert main(["paretto"]) == 2
    assert "Did you mean 'pareto'" in capsys.readouterr().err
