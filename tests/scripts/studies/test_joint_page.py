"""docs/joint.md and docs/transfer.md are what their committed results make, and those are whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import joint  # noqa: E402 - lies beside the scripts
import transfer  # noqa: E402
from experiment.results import Results  # noqa: E402

SCRIPTS = {"joint": joint, "transfer": transfer}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_page_is_what_the_committed_results_make(name: str) -> None:
    file = ROOT / "docs" / name / "results.jsonl"
    script = SCRIPTS[name]
    settings = script.Settings()
    results = Results(file, settings.shared())  # refuses other settings
    assert script.missing(settings, results) == []
    assert script.page(results) == (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
