"""The study of `imagination`: its tables, its noisy protocol, and its page."""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.results import incumbents, read_results
from nas_env_cli.specs import AgentSpec, EnvSpec
from scripts.studies.imagination import benchmarks, noisy_reward, page, unseen_tables
from tests.support.paths import ROOT
from tests.support.programs import run_program

SOURCE = ROOT.parent / "shared" / "data"


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the source tables are not beside this checkout")
def test_the_rule_chooses_the_tables_that_it_names(tmp_path: Path) -> None:
    found = unseen_tables.unseen(SOURCE, tmp_path)
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
    monkeypatch.setattr(noisy_reward, "AFTER", (12, 20))
    picks = noisy_reward.picks_of_run("imagination=imagination:noisy=true", 3)
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
    assert [x.reached for x in picks] == [12, 12, 20, 20]
    assert noisy_reward.picks_of_run("imagination=imagination:noisy=true", 3) == picks
    assert [x.rule for x in noisy_reward.picks_of_run("random", 3)] == ["reward", "reward"]


def test_a_run_that_repeats_itself_is_judged_by_its_last_pick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noisy_reward, "AFTER", (2, 40))
    frozen = "reinforce=reinforce:learning_rate=50.0,reward_scale=1000.0"
    picks = noisy_reward.picks_of_run(frozen, 0)
    assert [x.queries for x in picks] == [2, 40]
    assert picks[0].reached == 2 and 2 <= picks[1].reached < 40
    monkeypatch.setattr(page, "AFTER", (2, 40))
    monkeypatch.setattr(page, "REACH_NOISY", {2: 0.0, 40: 0.0})
    text = page.noisy_table(picks)
    assert "nan" not in text and f"{100 * picks[1].accuracy:.2f} |" in text
    assert "1 of 1 runs of `reinforce` at 40" in text


def test_picks_come_back_from_their_file_and_are_not_mixed_with_other_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noisy_reward, "AGENTS", ("random", "local-search"))
    experiment = noisy_reward.experiment_of(tmp_path / "noisy.jsonl")
    jobs = noisy_reward.jobs([0])
    experiment.play(jobs, noisy_reward.play, 1, "the command")
    found = noisy_reward.all_picks(experiment)
    assert found == [
        pick for job in jobs for pick in noisy_reward.picks_of_run(job["agent"], job["seed"])
    ]
    (call,) = experiment.calls()
    assert (call["command"], call["seeds"]) == ("the command", [0]) and "python" in call["versions"]
    monkeypatch.setattr(noisy_reward, "AGENTS", ("random=random", "local-search:improvement=best"))
    with pytest.raises(InvalidSettingError, match="was created with the settings"):
        noisy_reward.experiment_of(tmp_path / "noisy.jsonl")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any]]:
    """Three runs of two agents on two tables; few find the optimum in so few queries."""
    envs = (benchmarks.CELLS["cifar10"], benchmarks.MACRO)
    parts = (benchmarks.Part((benchmarks.IMAGINATION, "random"), envs, 3),)
    folder = tmp_path_factory.mktemp("played")
    assert not benchmarks.Experiment(parts, limit=26).run(folder, None, 2, "the command")
    table, settings = read_results(folder / "best.parquet")
    return incumbents(table), settings


@pytest.mark.parametrize("name", ["optimum", "unseen", "batches", "digits"])
def test_tables_are_made_where_runs_miss_the_optimum(
    played: tuple[Any, dict[str, Any]], name: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = page.PARTS[name](*played)
    assert "nan" not in text and "`imagination`" in text and "`random`" in text
    if name == "optimum":
        assert "≥ 26.0 ± 0.0 (26, 26; 0 of 3)" in text, "random search finds none"
    if name == "batches":
        assert text.splitlines()[2].count("1.00 [1.00, 1.00]") == 2
        assert "~ " in text, "runs of both sides count as the cap"
    if name == "unseen":
        assert "Regret after 26 queries" in text and "minus that of `random`" in text
    if name == "digits":
        assert "[" in text.splitlines()[2], "an interval"


def test_an_interval_of_a_constant_is_the_constant() -> None:
    assert page.bootstrap(np.full(20, 0.5), np.mean).tolist() == [0.5, 0.5]
    assert page.better_than(np.full(5, 2.0), np.full(4, 1.0)) == "1.00 [1.00, 1.00]"
    assert page.better_than(np.ones(5), np.ones(4)) == "0.50 [0.50, 0.50]"
    assert page.with_error(np.array([3.0])) == "3.0"


def test_committed_results_have_the_settings_that_the_study_has() -> None:
    known = benchmarks.experiments({}, Path("none"), Path("none"))
    results = ROOT / "docs" / "imagination"
    files = sorted(results.glob("*.parquet"))
    assert files
    for file in files:
        _, settings = read_results(file)
        parts = known[file.stem].parts if file.stem != "unseen" else known["unseen"].parts
        wanted = {
            spec.label: {"name": spec.name, "settings": spec.settings}
            for part in parts
            for spec in map(AgentSpec.parse, part.agents)
        }
        kept = {x: {k: settings["agents"][x][k] for k in wanted[x]} for x in wanted}
        assert kept == wanted, file.name
    picks = noisy_reward.experiment_of(results / "noisy.jsonl")  # raises if agents differ
    assert picks.missing(noisy_reward.jobs(range(1000, 1100))) == []


def test_the_page_is_what_the_committed_results_make(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "imagination", tmp_path / "imagination")
    command = [
        "-m",
        "scripts.studies",
        "imagination",
        "--page",
        str(tmp_path / "imagination.md"),
    ]
    rest = ["--source", str(tmp_path / "none"), "--folder", str(tmp_path / "runs")]
    done = run_program([sys.executable, *command, *rest], timeout=600)
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "imagination.md").read_text("utf-8")
    assert made == (ROOT / "docs" / "imagination.md").read_text("utf-8")


def test_the_program_of_the_page_runs() -> None:
    page = (ROOT / "docs" / "imagination.md").read_text("utf-8")
    block = page.split("```python\n")[1].split("```")[0]
    done = run_program([sys.executable, "-c", block])
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(") 60")
