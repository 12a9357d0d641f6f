"""The wheel, installed where there is no checkout, holds what a user needs and nothing else."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from nas_env_cli.main import COMMANDS
from tests.support.paths import EXAMPLE_PLUGIN
from tests.support.venvs import Venv

MOST_MEGABYTES = 8
PACKAGES = {"nas_env", "nas_env_agents", "nas_env_cli"}
DATA = {
    "nas_env/py.typed",
    "nas_env_agents/py.typed",
    "nas_env_cli/py.typed",
    "nas_env_agents/hyperparameters.toml",
    *(f"nas_env_cli/report/page.{suffix}" for suffix in ("css", "js", "html")),
    *(f"nas_env/data/{x}.npz" for x in ("digits", "wine", "mnist_small", "nasbench201")),
}
BASE = """
import sys
import gymnasium
import nas_env
assert "torch" not in sys.modules
for made in (gymnasium.make("NAS-v0", evaluator="synthetic"), gymnasium.make("NASBench201-v0")):
    observation, info = made.reset(seed=0)
    terminated = False
    while not terminated:
        action = int(info["action_mask"].nonzero()[0][-1])
        observation, reward, terminated, truncated, info = made.step(action)
    assert info["evaluation"]["outcome"] == "ok" and 0 < reward <= 1, info
assert "torch" not in sys.modules and "site-packages" in nas_env.__file__
"""


def test_it_is_small_and_holds_three_packages(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_MEGABYTES * 1e6
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (points,) = (file.read(x).decode() for x in names if x.endswith("entry_points.txt"))
    tops = {name.split("/")[0] for name in names}
    assert {x for x in tops if not x.endswith(".dist-info")} == PACKAGES
    assert names >= DATA
    for name in names:
        assert not {"tests", "studies", "bench", "integrations"} & set(name.split("/")), name
    assert "nas-env = nas_env_cli.main:main" in points
    for command in COMMANDS:
        assert f"nas_env_cli/commands/{command.replace('-', '_')}.py" in names


def test_without_an_extra_environments_work_and_commands_name_theirs(
    base: Venv, tmp_path: Path
) -> None:
    base.run("python", "-c", BASE, cwd=tmp_path)
    assert "NASBench201-v0" in base.run("nas-env", "list", "environments", cwd=tmp_path).stdout
    assert "15,625 walks" in base.run("nas-env", "describe", "nasbench201", cwd=tmp_path).stdout
    for command in ("search", "report"):
        said = base.run("nas-env", command, cwd=tmp_path, code=2).stderr
        assert 'Run: pip install "nas-env[agents]".' in said
    said = base.run("nas-env", "benchmark", cwd=tmp_path, code=2).stderr
    assert 'Run: pip install "nas-env[benchmark]".' in said
    said = base.run("nas-env", "list", "agents", cwd=tmp_path, code=2).stderr
    assert "Agents need" in said and 'pip install "nas-env[agents]"' in said
    everything = base.run("python", "-m", "nas_env", "list", cwd=tmp_path).stdout
    assert "digits" in everything and 'pip install "nas-env[agents]"' in everything


def test_three_networks_are_searched_shown_and_exported(agents: Venv, tmp_path: Path) -> None:
    limits = ("--evaluations", "3", "--epochs", "1", "--retrain-seeds", "2")
    search = ("search", "--agent", "q-learning", "--task", "digits", *limits, "--device", "cpu")
    agents.run("nas-env", *search, "--output", "run", cwd=tmp_path, seconds=600)
    run = tmp_path / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert (run / "summary.md").is_file() and len(summary["retrained"]) == 3
    agents.run("nas-env", "export", run, "--output", "out", cwd=tmp_path, seconds=600)
    assert {"network.py", "weights.pt", "card.md"} <= {x.name for x in (tmp_path / "out").iterdir()}
    agents.run("nas-env", "report", run, "--output", "page.html", cwd=tmp_path)
    assert "<style>" in (tmp_path / "page.html").read_text()
    assert "random" in agents.run("nas-env", "watch", run, "--once", cwd=tmp_path).stdout
    agents.run("nas-env", "plot-q", run, "--output", "q", cwd=tmp_path)
    assert (tmp_path / "q.png").is_file()
    shown = agents.run("nas-env", "pareto", run, "--output", "set.json", cwd=tmp_path).stdout
    assert "accuracy (max)" in shown and json.loads((tmp_path / "set.json").read_text())


def test_a_table_is_searched(agents: Venv, tmp_path: Path) -> None:
    words = ("--env", "NASBench201-v0", "--env-option", "dataset=cifar100", "--evaluations", "30")
    done = agents.run("nas-env", "search", *words, "--output", "run", cwd=tmp_path, seconds=600)
    assert "regret" in done.stdout.lower()
    assert (tmp_path / "run" / "summary.json").is_file()


def test_names_are_listed_and_described(agents: Venv, tmp_path: Path) -> None:
    listed = agents.run("nas-env", "list", cwd=tmp_path).stdout
    for name in ("chain", "digits", "q-learning", "training", "accuracy", "NAS-v0"):
        assert f"  {name} " in listed
    assert "learning_rate" in agents.run("nas-env", "describe", "q-learning", cwd=tmp_path).stdout


def test_the_example_plugin_is_found_when_it_is_installed(
    agents: Venv, wheel: Path, tmp_path: Path
) -> None:
    agents.install(EXAMPLE_PLUGIN)
    listed = agents.run("nas-env", "list", cwd=tmp_path).stdout
    for name in ("two-widths", "spirals", "log-error", "round-robin", "Spirals-v0"):
        assert f"  {name} " in listed
    described = agents.run("nas-env", "describe", "Spirals-v0", cwd=tmp_path).stdout
    assert "Discrete(4)" in described and "16 walks" in described
    names = ("--space", "two-widths", "--task", "spirals", "--objective", "log-error")
    limits = ("--evaluations", "3", "--epochs", "1", "--retrain-seeds", "1", "--device", "cpu")
    search = ("search", "--agent", "round-robin", *names, *limits, "--output", "run")
    agents.run("nas-env", *search, cwd=tmp_path, seconds=600)
    assert "round-robin" in (tmp_path / "run" / "summary.md").read_text()
    search = ("search", "--env", "Spirals-v0", "--agent", "round-robin", "--evaluator", "synthetic")
    done = agents.run("nas-env", *search, "--evaluations", "5", "--output", "by-id", cwd=tmp_path)
    assert "round-robin" in done.stdout
