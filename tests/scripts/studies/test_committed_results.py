"""Pages whose committed results are complete are exactly what those results make."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.studies.edits_with_training import study as edits_with_training
from scripts.studies.joint import study as joint
from scripts.studies.transfer import study as transfer
from tests.support.paths import ROOT

STUDIES: dict[str, Any] = {
    "joint": joint,
    "transfer": transfer,
    "edits-with-training": edits_with_training,
}


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_is_what_the_committed_results_make(name: str) -> None:
    study = STUDIES[name]
    settings = study.Options()
    experiment = study.experiment_of(settings)  # raises if they have other settings
    assert experiment.missing(study.jobs(settings)) == []
    assert study.page(experiment) == (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
