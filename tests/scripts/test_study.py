"""The study of `imagination`: its tables, its noisy protocol, and its page."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

import nas_env  # noqa: F401 - registers the environments
from agents.benchmark.specs import EnvSpec

ROOT = Path(__file__).parents[2]
SOURCE = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "scripts"))

from study import noisy, tables  # noqa: E402 - lie beside the scripts


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the source tables are not beside this checkout")
def test_the_rule_chooses_the_tables_that_it_names(tmp_path: Path) -> None:
    found = tables.unseen(SOURCE, tmp_path)
    assert list(found) == [
        *("aa_square_eps0.1", "fgsm_eps0.5", "fgsm_eps8.0", "pgd_eps8.0"),
        *("graph-arxiv", "graph-pubmed", "nb101-small"),
    ]
    sizes = {
        name: EnvSpec.parse(text).make().unwrapped.space.size() for name, text in found.items()
    }
    assert sizes["fgsm_eps8.0"] == 15_625 and sizes["graph-pubmed"] == 26_206
    assert sizes["nb101-small"] == 2_532, "the 91 smaller cells are among them"
    small = EnvSpec.parse(found["nb101-small"]).make().unwrapped.space
    assert len({len(walk) for walk in small.enumerate()}) > 1


def test_picks_are_judged_by_the_trainings_that_were_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noisy, "AFTER", (12, 20))
    picks = noisy.play(("imagination=imagination:noisy=true", 3))
    assert [(x.queries, x.rule) for x in picks] == [
        *((12, "reward"), (12, "posterior"), (20, "reward"), (20, "posterior"))
    ]
    env = gym.make("NASBenchMacro-v0", run="random")
    table = env.unwrapped.evaluator.table
    runs = table.column("test")
    judged = {
        round(float(row[[a, b]].mean()), 6) for row in runs for a, b in ((0, 1), (0, 2), (1, 2))
    }
    assert all(round(pick.accuracy, 6) in judged for pick in picks)
    assert noisy.play(("imagination=imagination:noisy=true", 3)) == picks
    assert [x.rule for x in noisy.play(("random", 3))] == ["reward", "reward"]


def test_the_page_is_what_the_committed_results_make(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "imagination", tmp_path / "imagination")
    command = ["scripts/study_imagination.py", "--page", str(tmp_path / "imagination.md")]
    rest = ["--source", str(tmp_path / "none"), "--folder", str(tmp_path / "runs")]
    subprocess.run([sys.executable, *command, *rest], cwd=ROOT, check=True, capture_output=True)
    made = (tmp_path / "imagination.md").read_text("utf-8")
    assert made == (ROOT / "docs" / "imagination.md").read_text("utf-8")


def test_the_program_of_the_page_runs() -> None:
    page = (ROOT / "docs" / "imagination.md").read_text("utf-8")
    block = page.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(") 60")
