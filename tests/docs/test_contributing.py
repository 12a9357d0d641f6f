"""Every example file of CONTRIBUTING.md is found, works and passes the contract tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", TEXT, re.DOTALL))
COPIED = ("nas_env", "agents", "tests", "scripts")

EPISODE = """
import gymnasium, nas_env
env = gymnasium.make("NAS-v0", budget={"epochs": 1}, device="cpu", **SETTINGS)
_, info = env.reset(seed=0)
over = False
while not over:
    legal = info["action_mask"].nonzero()[0]
    _, reward, over, _, info = env.step(int(legal[-1]))
assert info["evaluation"]["outcome"] == "ok", info
assert 0 < reward <= 1
"""
SEARCH = """
import gymnasium, nas_env
from nas_env_agents import AGENTS, observation_of
from nas_env_cli.search.session import run_search
from nas_env.wrappers import Limits
assert NAME in AGENTS
env = gymnasium.make("NAS-v0", evaluator="synthetic", observation=observation_of(NAME))
result = run_search(NAME, env, Limits(evaluations=20), 0)
assert result.tracker.evaluations == 20 and 0 < result.best.score <= 1
"""
BUILD = """
import torch
from nas_env.architecture import Architecture, Layer
from nas_env.layers import LAYERS
from nas_env.network import build, predict
from nas_env.tasks import TaskSpec
assert NAME in LAYERS
spec = TaskSpec("probe", 1, "image", (1, 8, 8), 10)
architecture = Architecture((Layer.of("conv", channels=4, kernel=3), Layer.of(NAME)))
network = build(architecture, spec)
assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
assert sum(x.numel() for x in network.parameters()) == predict(architecture, spec).params
"""
# Folder of an example to the program that uses it by its NAME, and the contract tests it is under.
USES = {
    "nas_env/spaces": (
        "SETTINGS = {'space': NAME, 'evaluator': 'training'}" + EPISODE,
        "tests/spaces tests/network tests/env",
    ),
    "nas_env/tasks": ("SETTINGS = {'task': NAME}" + EPISODE, "tests/nas_env/tasks"),
    "nas_env/layers": (
        BUILD,
        "tests/nas_env/network/test_graphs.py tests/nas_env/export/test_source.py",
    ),
    "nas_env/evaluators": ("SETTINGS = {'evaluator': NAME}" + EPISODE, "tests/nas_env/evaluators"),
    "nas_env/objectives": (
        "SETTINGS = {'objective': NAME}" + EPISODE.replace("<= 1", "<= 4"),
        "tests/nas_env/test_objectives.py",
    ),
    "agents/nas_env_agents": (SEARCH, "tests/nas_env_agents"),
}


def name_of(path: str) -> str:
    """Return the name that an example registers: that of its file, with hyphens."""
    return Path(path).stem.replace("_", "-")


def python(copy: Path, *arguments: str) -> str:
    """Run Python on the copy and return what it prints."""
    path = os.pathsep.join(str(copy / name) for name in ("", "agents", "scripts"))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the repository's code."""
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def add(copy: Path, path: str) -> str:
    """Write an example where CONTRIBUTING.md says and return the name it registers."""
    assert not (ROOT / path).exists(), f"{path} is taken: the example needs another name"
    (copy / path).write_text(EXAMPLES[path], encoding="utf-8")
    return name_of(path)


def test_there_is_one_example_of_each_kind() -> None:
    assert sorted(str(Path(path).parent) for path in EXAMPLES) == sorted(USES)
    assert TEXT.count("```python") == len(EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_example_is_found_and_works(copy: Path, path: str) -> None:
    program, _ = USES[str(Path(path).parent)]
    python(copy, "-c", f"NAME = {add(copy, path)!r}\n{program}")


def test_the_examples_pass_the_contract_tests(copy: Path) -> None:
    names = [add(copy, path) for path in EXAMPLES]
    words = [*names, *(Path(path).stem for path in EXAMPLES), "does_not_fit"]
    folders = " ".join(USES[str(Path(path).parent)][1] for path in EXAMPLES).split()
    tests = [*dict.fromkeys(folders), "tests/nas_env/test_imports.py"]
    options = ["-p", "no:cacheprovider", "-rA", "-k", " or ".join(words)]
    told = python(copy, "-m", "pytest", *options, *tests)
    passed = [line for line in told.splitlines() if line.startswith("PASSED")]
    for name in names:
        assert any(name in line for line in passed), f"no contract test ran over {name}"


def test_the_command_to_try_a_space_works(copy: Path) -> None:
    (command,) = re.findall(r"^Try it: `python (.*)`\.$", TEXT, re.MULTILINE)
    add(copy, "nas_env/spaces/three_widths.py")
    told = python(copy, *command.split(), "--evaluations", "10")
    assert "| random | 10 |" in told
    assert (copy / "runs" / "try" / "best.json").is_file()
