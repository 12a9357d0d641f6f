"""The programs of docs/engine.md run as they are written, one after the other."""

from __future__ import annotations

from pathlib import Path

from tests.support.page_programs import printed, programs
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    blocks = programs(PAGE)
    assert printed("\n".join(blocks), tmp_path) == [
        "ok",
        "MedianStopping",
        "640",
        "512",
        "evaluations 50",
        "async-regularized-evolution evaluations True",
    ]


def test_the_page_names_what_there_is() -> None:
    from nas_env_agents import AGENTS
    from nas_env_agents.common.asynchronous import Asynchronous
    from nas_env_agents.common.deferred import DeferredScoring

    for name in AGENTS:
        if issubclass(AGENTS.get(name), Asynchronous | DeferredScoring):
            assert f"`{name}`" in PAGE, name
