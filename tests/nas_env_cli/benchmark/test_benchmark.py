"""nas-env benchmark and nas-env leaderboard as commands, interrupted and whole."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.spaces import SPACES
from nas_env.wrappers import Limits, Trial
from nas_env_cli.benchmark.cells import Cell, is_best, play
from nas_env_cli.benchmark.results import incumbents, read_results, table_of
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.specs import AgentSpec, EnvSpec
from tests.nas_env_cli.benchmark.tiny import ROOT, STRANGER, SYNTHETIC, TABLE, environment, run
from tests.support.paths import NAS_ENV

TINY = ("--limit", 8, "--repeats", 5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished benchmark of two agents on two environments with three seeds."""
    out = tmp_path_factory.mktemp("whole")
    run(
        "benchmark", "--agents", "random", "ppo=stable_baselines3:PPO:n_steps=8,batch_size=8",
        "--envs", SYNTHETIC, TABLE, "--seeds", 3, *TINY, "--output", out / "board",
    )  # fmt: skip
    return out / "board"


def test_every_run_is_there_and_within_its_limit(whole):
    found, settings = read_results(whole / "results.parquet")
    last = {(x["agent"], x["env"], x["seed"]): x for x in found.to_pylist()}
    assert len(last) == 2 * 2 * 3
    assert all(x["query"] <= 8 and x["episode"] <= 80 for x in last.values())
    assert all(x["query"] == 8 or x["regret_reward"] == 0 for x in last.values())
    assert settings["agents"]["ppo"]["settings"] == {"n_steps": 8, "batch_size": 8}
    assert settings["commands"][0]["versions"]["commit"]
    for env, known in (("syn", False), ("c10", True)):
        row = next(x for x in found.to_pylist() if x["env"] == env)
        assert all(
            (row[x] == row[x]) == known for x in ("report", "regret_reward", "regret_report")
        )
        assert (row["simulated_seconds"] == row["simulated_seconds"]) == known


def test_rows_are_what_the_environment_says(whole):
    found = read_results(whole / "results.parquet")[0].to_pylist()
    for x in found:
        if x["env"] == "c10":
            assert x["regret_reward"] >= 0
            assert x["score"] + x["regret_reward"] == pytest.approx(0.8489, abs=1e-4)
            assert x["report"] + x["regret_report"] == pytest.approx(0.943733, abs=1e-5)
    seen: dict[tuple, set] = {}
    for x in found:
        walks = seen.setdefault((x["agent"], x["env"], x["seed"]), set())
        if x["env"] == "c10":
            assert x["repeated"] == (x["walk"] in walks)
        walks.add(x["walk"])
    assert all(x["query"] <= x["trial"] <= x["episode"] for x in found)


def test_both_files_make_the_same_page(whole, tmp_path):
    full, _ = read_results(whole / "results.parquet")
    best, _ = read_results(whole / "best.parquet")
    assert repr(incumbents(full).to_pylist()) == repr(best.to_pylist())  # NaN included
    assert len(best) < len(full)
    pages = []
    for name in ("results", "best"):
        page = tmp_path / name / "leaderboard.md"
        run("leaderboard", whole / f"{name}.parquet", "--page", page, "--repeats", 5)
        files = {x.name: x.read_bytes() for x in page.parent.rglob("*.*") if x.is_file()}
        assert len(files) == 5  # page, two sets of curves, profiles, best.parquet
        pages.append(files)
    assert pages[0] == pages[1]
    text = pages[0]["leaderboard.md"].decode()
    assert "| `random` | 3 |" in text
    assert "`ppo` is not distinguishable from random search everywhere." in text
    assert "--limit 8" in text  # the command
    assert "seeds 0 to 2" in text
    assert "n_steps 8" in text


def test_the_same_command_plays_nothing_again_and_more_may_be_added(whole):
    before = {x: x.stat().st_mtime_ns for x in whole.rglob("*/*/*.parquet")}
    more = ("--envs", SYNTHETIC, "--seeds", 4, *TINY, "--output", whole)
    text = run("benchmark", "--agents", "random", "hill=hill-climbing", *more)
    assert "5 cells to run, 3 already finished" in text
    assert all(x.stat().st_mtime_ns == time for x, time in before.items())
    table, settings = read_results(whole / "results.parquet")
    assert Counter(x["agent"] for x in incumbents(table).to_pylist()).keys() == {
        "random", "ppo", "hill",
    }  # fmt: skip
    assert len(settings["commands"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--agents", "random", "--envs", SYNTHETIC, "--limit", 9), "begun with --limit = 8"),
        (("--agents", "random", "--envs", "syn=NAS-v0:evaluator=synthetic,illegal=raise",
          "--limit", 8), "begun with --envs syn"),
        (("--agents", "ppo=random", "--envs", SYNTHETIC, "--limit", 8), "begun with --agents ppo"),
    ],
)  # fmt: skip
def test_other_settings_are_refused_by_name(whole, arguments, message):
    text = run("benchmark", *arguments, "--output", whole, code=2)
    assert message in text


def test_the_order_of_settings_is_no_difference_and_a_label_without_runs_is_free(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mistaken.py").write_text(STRANGER)
    start = ("--envs", SYNTHETIC, "--seeds", 1, *TINY, "--output", tmp_path / "b", "--agents")
    text = run("benchmark", *start, "x=mistaken:Mine:puase=1", code=1)
    assert "unexpected keyword argument 'puase'" in text
    name = "x=regularized-evolution:"
    run("benchmark", *start, f"{name}population_size=4,sample_size=2")
    text = run("benchmark", *start, f"{name}sample_size=2,population_size=4")
    assert "0 cells to run, 1 already finished" in text
    text = run("benchmark", *start, f"{name}population_size=4,sample_size=3", code=2)
    assert "begun with --agents x" in text


def cells(folder: Path) -> dict[str, bytes]:
    return {str(x.relative_to(folder)): x.read_bytes() for x in folder.rglob("*/*/*.parquet")}


def test_killed_in_the_middle_and_begun_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stranger.py").write_text(STRANGER)
    command = ["--agents", "slow=stranger:Mine:pause=0.05", "random", "--envs", SYNTHETIC]
    command += ["--seeds", "8", *map(str, TINY)]
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [*NAS_ENV, "benchmark", *command, "--output", killed],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while len(cells(killed)) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # its workers end by themselves
    before = cells(killed)
    log = (tmp_path / "log.txt").read_text().splitlines()
    assert 5 <= len(before) < 16
    time.sleep(1.0)
    assert cells(killed) == before, "a worker outlived its parent"
    text = run("benchmark", *command, "--output", killed)
    assert f"{16 - len(before)} cells to run, {len(before)} already finished" in text
    again = (tmp_path / "log.txt").read_text().splitlines()[len(log) :]
    finished = {f"begun {Path(x).stem}" for x in before if "/slow/" in x}
    assert not finished & set(again), "a finished cell was played again"
    assert sum(x.startswith("begun") for x in again) == 8 - len(finished)
    run("benchmark", *command, "--output", tmp_path / "whole")
    tables = [read_results(tmp_path / x / "results.parquet")[0] for x in ("killed", "whole")]
    assert repr(tables[0].to_pylist()) == repr(tables[1].to_pylist())


def test_a_cell_that_fails_stops_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fragile.py").write_text(STRANGER)
    command = ("--agents", "fragile:Fragile", "--envs", SYNTHETIC, "--seeds", 5, *TINY)
    out = tmp_path / "board"
    text = run("benchmark", *command, "--output", out, code=1)
    assert "fragile:Fragile on syn, seed 1: RuntimeError: seed one is not for me" in text
    assert "fragile:Fragile on syn, seed 2: its process ended with code 9" in text
    assert "2 runs failed" in text
    (log,) = out.rglob("*.log")
    assert log.name == "1.log" and str(log) in text
    assert 'in learn\n    raise RuntimeError("seed one is not for me")' in log.read_text()
    table, _ = read_results(out / "results.parquet")
    assert set(table["seed"].to_pylist()) == {0, 3, 4}
    assert "| `fragile:Fragile` | 3 |" in (out / "leaderboard.md").read_text()
    fragile = (tmp_path / "fragile.py").read_text()
    (tmp_path / "fragile.py").write_text(fragile.replace("self.seed == 1", "self.seed == 7"))
    run("benchmark", *command, "--output", out, code=1)
    assert not list(out.rglob("*.log")), "a finished run needs none"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Early", "learn() returned before the first network was finished"),
        ("Alone", "Class Alone has no learn(total_timesteps, callback)"),
    ],
)
def test_an_agent_that_cannot_learn_is_told_why(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{name.lower()}.py").write_text(STRANGER)
    cell = Cell(AgentSpec.parse(f"{name.lower()}:{name}"), EnvSpec.parse(SYNTHETIC), 0)
    with pytest.raises(InvalidSettingError, match=re.escape(message)):
        play(cell, Limits(evaluations=2, episodes=20))


def test_damaged_settings_are_refused(tmp_path):
    for text in ("{", "[]"):
        (tmp_path / "settings.json").write_text(text)
        command = ("--agents", "random", "--envs", SYNTHETIC, *TINY, "--output", tmp_path)
        assert "settings.json: not the settings of a" in run("benchmark", *command, code=2)


def test_what_is_missing_is_named_with_its_extra():
    code = "import sys; sys.modules['rliable'] = None; import nas_env_cli.benchmark.cells"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )
    assert "Benchmarks need rliable, which is not installed. Run" in done.stderr
    assert 'pip install "nas-env[benchmark]"' in done.stderr


def test_a_search_needs_nothing_that_benchmarks_need():
    """README's first command installs the extras agents and data alone."""
    absent = ("pyarrow", "rliable", "sklearn", "psutil", "ray", "psycopg", "hypothesis")
    code = f"""
import sys
sys.modules |= dict.fromkeys({absent})
from nas_env_cli.main import main
main(["search", "--agent", "imagination", "--help"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "imagination" in done.stdout and "--evaluations" in done.stdout


def test_the_agent_of_the_documentation_runs(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "benchmarking.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_module.py").write_text(block)
    monkeypatch.chdir(tmp_path)
    mine = Cell(AgentSpec.parse("my_module:MyAgent:learning_rate=0.2"), EnvSpec.parse(TABLE), 3)
    limits = Limits(evaluations=12, episodes=120)
    rows, reason = play(mine, limits)
    assert (rows[-1].query, reason) == (12, "evaluations")
    assert play(mine, limits)[0] == rows
    random, _ = play(Cell(AgentSpec.parse("random"), EnvSpec.parse(TABLE), 3), limits)
    assert [row[3:] for row in rows] == [row[3:] for row in random], "as the page says"


def test_who_begins_alike_is_who_the_page_says():
    page = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    assert "random search, local search and evolution begin with the same network" in page
    envs = [EnvSpec.parse(text) for text in (TABLE, "NASChain-v0", "NASBenchMacro-v0")]
    for env in envs:
        firsts = {
            play(Cell(AgentSpec.parse(name), env, 4), Limits(evaluations=1))[0][0].walk
            for name in ("random", "local-search", "regularized-evolution")
        }
        assert len(firsts) == 1


def test_simulated_seconds_end_a_run_and_csv_is_a_choice(tmp_path):
    run(
        "benchmark", "--agents", "random", "--envs", TABLE, "--seeds", 2, "--limit", 300,
        "--simulated-seconds", 1000, "--repeats", 20, "--output", tmp_path / "b",
        "--results", "all.csv",
    )  # fmt: skip
    table, settings = read_results(tmp_path / "b" / "all.csv")
    assert 1 < table["query"].to_numpy().max() < 30
    assert 800 < table["simulated_seconds"].to_numpy().max() <= 1000
    assert settings["simulated_seconds"] == 1000
    assert (tmp_path / "b" / "best.csv").is_file()


def test_an_episode_that_edits_is_charged_for_each_evaluation():
    env = EnvSpec.parse("edit=NASBench201-v0:mdp=edit,dataset=cifar100")
    rows, _ = play(Cell(AgentSpec.parse("random"), env, 0), Limits(evaluations=40, episodes=400))
    assert [row.trial for row in rows] == list(range(1, len(rows) + 1))  # one fidelity
    assert rows[-1].trial > 2 * rows[-1].episode
    assert all(row.query <= row.trial for row in rows)
    again = Cell(AgentSpec.parse("q-learning"), env, 0)
    rows, _ = play(again, Limits(evaluations=40, episodes=400))
    assert rows[-1].trial - rows[-1].query == sum(row.repeated for row in rows)
    found = Runs(table_of(rows), 10).of("q-learning", "edit")[0]
    best = max((row for row in rows if row.trial <= 10), key=lambda row: row.score)
    assert found.at("score", 10, "trial") == best.score


def test_what_was_played_before_in_a_process_changes_no_run():
    """With start="best" an episode begins from the best network of the environment's store."""
    env = EnvSpec.parse(
        'edit=NASEdit-v0:space=mlp,task=wine,start=best,max_edits=2,budget={"epochs": 1}'
    )
    agent, limits = AgentSpec.parse("random"), Limits(evaluations=4, episodes=40)
    first, _, again = (play(Cell(agent, env, seed), limits)[0] for seed in (1, 0, 1))
    assert [row.walk for row in first] == [row.walk for row in again]


@pytest.mark.parametrize(
    ("score", "metrics", "best"),
    [
        (0.9, {"reward": 0.9, "regret_reward": 0.0}, True),
        (0.9, {"reward": 0.9, "regret_reward": 0.1}, False),
        (0.5, {"reward": 0.9, "regret_reward": 0.0}, False),  # the objective is another
        (0.9, {"accuracy": 0.9}, False),
    ],
)
def test_the_optimum_is_that_of_what_is_scored(score, metrics, best):
    candidate = SPACES.get("nasbench201")((3, 32, 32), 10, None).decode((0,) * 6)
    trial = Trial(1, 1, True, candidate, Evaluation(Outcome.OK, metrics), score, 0.0)
    assert is_best(trial) == best


def test_what_is_charged_may_be_chosen_and_stays(tmp_path):
    out = tmp_path / "board"
    start = ("--agents", "q-learning", "--envs", TABLE, "--seeds", 1, "--limit", 60,
             "--repeats", 5, "--output", out)  # fmt: skip
    chosen = ("--charge-repeats", "--no-charge-isomorphs")
    run("benchmark", *start, *chosen)
    table, settings = read_results(out / "results.parquet")
    assert (settings["charge_repeats"], settings["charge_isomorphs"]) == (True, False)
    last = table.to_pylist()[-1]
    assert last["query"] < last["trial"] == 60
    page = (out / "leaderboard.md").read_text()
    assert "A run ends after 60 evaluations, repeats included" in page
    assert "isomorphic networks count once" in page
    assert "begun with --charge-repeats = True" in run("benchmark", *start, code=2)
    text = run("benchmark", *start, "--charge-repeats", code=2)
    assert "begun with --charge-isomorphs = False" in text
    assert "0 cells to run" in run("benchmark", *start, *chosen)


def test_a_folder_whose_settings_lack_something_is_refused(tmp_path):
    start = ("--agents", "random", "--envs", TABLE, "--seeds", 2, *TINY, "--output", tmp_path)
    run("benchmark", *start)
    settings = json.loads((tmp_path / "settings.json").read_text())
    del settings["charge_repeats"], settings["charge_isomorphs"]
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    text = run("benchmark", *start, code=2)
    assert "its settings lack charge_repeats and charge_isomorphs" in text
    assert "choose another --output" in text


BAD = {
    "--agents randon --envs NAS-v0": "Did you mean 'random'",
    "--agents random --envs NAS-v9": "Did you mean 'NAS-v0'",
    "--agents random --envs NASBench201-v0:dataset=cifar11": "cifar10",
    "--agents random --envs NAS-v0:evaluator=synthetic,illegl=raise": "illegal",
    "--agents random --envs NAS-v0 --limit 0": "--limit must be >= 1",
    "--agents random --envs NAS-v0 --seeds 0": "--seeds must be >= 1",
    "--agents random --envs NAS-v0 --processes 0": "--processes must be >= 1",
    "--agents random --envs NASChain-v0 --simulated-seconds 0": "simulated_seconds must be > 0",
    f"--agents random --envs {TABLE} {SYNTHETIC} --simulated-seconds 9": "no effect on syn: its",
    "--agents random --envs NASBenchGraph-v0 --simulated-seconds 9": "no effect on NASBenchGraph",
    "--agents random --envs NAS-v0 --results x.json": "must end in .parquet or .csv",
    "--agents random:foo=1 --envs NAS-v0": "'random:foo=1' cannot be created with its settings",
    "--agents reinforce-lstm:units=2,foo=1 --envs NAS-v0": "unexpected keyword argument 'foo'",
    "--agents x=regularized-evolution:sample_size=0 --envs NAS-v0": "sample_size must be",
    "--agents random random --envs NAS-v0": "Two agents have the label 'random'",
    "--envs NAS-v0": "--agents is missing",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, line):
    text = run("benchmark", *line.split(), "--output", tmp_path / "b", code=2)
    assert BAD[line] in text
    assert not (tmp_path / "b").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    command = ("--agents", "random", "--envs", SYNTHETIC, *TINY, "--output", tmp_path)
    text = run("benchmark", *command, code=2)
    assert "holds no benchmark" in text
    assert [x.name for x in tmp_path.iterdir() if x.name != ".lock"] == ["thesis.txt"]
