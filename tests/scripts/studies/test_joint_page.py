"""docs/joint.md and docs/transfer.md are what their committed results make, and those are whole."""

from __future__ import annotations

import pytest

from scripts.studies.common.experiment import Results
from scripts.studies.joint import study as joint
from scripts.studies.transfer import study as transfer
from tests.support.paths import ROOT

SCRIPTS = {"joint": joint, "transfer": transfer}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_page_is_what_the_committed_results_make(name: str) -> None:
    file = ROOT / "docs" / name / "results.jsonl"
    script = SCRIPTS[name]
    settings = script.Options()
    results = Results(file, settings.shared())  # refuses other settings
    assert script.missing(settings, results) == []
    assert script.page(results) == (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
