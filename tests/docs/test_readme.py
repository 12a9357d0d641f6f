"""Every Python block of the README runs as it is written, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_readme_has_its_programs():
    assert len(BLOCKS) == 5
    lines = [len([x for x in block.splitlines() if x]) for block in BLOCKS]
    assert lines[0] <= 10
    assert lines[1] <= 20
    assert lines[2] <= 15
    assert lines[3] <= 5
    assert lines[4] <= 7


@pytest.mark.parametrize("block", BLOCKS, ids=["ten-lines", "heat-map", "q-table", "ppo", "table"])
def test_block_runs(block, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path, timeout=170
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    if "print" in block:
        assert 0 < float(done.stdout.split()[0]) <= 1
    if "savefig" in block:
        assert (tmp_path / "q.png").stat().st_size > 5000


def test_links_and_names_exist():
    from nas_env.evaluators import EVALUATORS
    from nas_env.objectives import OBJECTIVES
    from nas_env.registration import ENVIRONMENTS
    from nas_env.spaces import SPACES
    from nas_env.tasks import TASKS
    from nas_env_agents import AGENTS

    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    ids = [row.id for row in ENVIRONMENTS]
    for registry in (AGENTS, EVALUATORS, OBJECTIVES, SPACES, TASKS, ids):
        for name in registry:
            assert f"`{name}`" in README, name


def test_makefile_has_the_promised_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("search", "test", "test-all", "lint", "format", "type", "check", "bench"):
        assert re.search(rf"^{target}:", text, re.MULTILINE), target


def test_pages_and_results_name_no_folder_of_the_machine_that_made_them() -> None:
    files = [x for x in (ROOT / "docs").rglob("*") if x.is_file()]
    assert len(files) > 50
    named = [x.name for x in files if re.search(rb"/(root|home|tmp)/\w", x.read_bytes())]
    assert named == []
