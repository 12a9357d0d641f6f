"""Every example file of CONTRIBUTING.md is found, works and passes the contract tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.checkout_copy import (
    CONTRACT_TESTS,
    contract_outcomes,
    copy_checkout,
    name_of,
    run_python,
)
from tests.support.paths import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", TEXT, re.DOTALL))
FURTHER = ("does_not_fit",)  # messages that list the spaces that would fit

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
# Folder of an example to the program that uses it by its NAME.
USES = {
    "nas_env/spaces": "SETTINGS = {'space': NAME, 'evaluator': 'training'}" + EPISODE,
    "nas_env/tasks": "SETTINGS = {'task': NAME}" + EPISODE,
    "nas_env/layers": BUILD,
    "nas_env/evaluators": "SETTINGS = {'evaluator': NAME}" + EPISODE,
    "nas_env/objectives": "SETTINGS = {'objective': NAME}" + EPISODE.replace("<= 1", "<= 4"),
    "agents/nas_env_agents": SEARCH,
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the repository's code."""
    return copy_checkout(tmp_path)


def add(copy: Path, path: str) -> str:
    """Write an example where CONTRIBUTING.md says and return the name it registers."""
    assert not (ROOT / path).exists(), f"{path} is taken: the example needs another name"
    (copy / path).write_text(EXAMPLES[path], encoding="utf-8")
    return name_of(path)


def printed(copy: Path, *arguments: str) -> str:
    """Run Python on the copy and return what it prints."""
    done = run_python(copy, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_one_example_of_each_kind() -> None:
    assert sorted(str(Path(path).parent) for path in EXAMPLES) == sorted(USES)
    assert set(USES) == set(CONTRACT_TESTS)
    assert TEXT.count("```python") == len(EXAMPLES)


def test_the_table_names_the_contract_tests() -> None:
    for folder, tests in CONTRACT_TESTS.items():
        (row,) = [line for line in TEXT.splitlines() if f"| `{folder}/` | `tests/" in line]
        named = re.findall(r"`(tests/[\w/.]+)`", row)
        assert [x.rstrip("/") for x in named] == list(tests)
        assert all((ROOT / test).exists() for test in tests)


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_example_is_found_and_works(copy: Path, path: str) -> None:
    printed(copy, "-c", f"NAME = {add(copy, path)!r}\n{USES[str(Path(path).parent)]}")


def test_the_examples_pass_the_contract_tests(copy: Path) -> None:
    names = [add(copy, path) for path in EXAMPLES]
    found = contract_outcomes(copy, EXAMPLES, "tests/nas_env/test_imports.py", words=FURTHER)
    assert not found["FAILED"] + found["ERROR"]
    for name in names:
        assert any(name in test for test in found["PASSED"]), f"no contract test ran over {name}"


def test_the_command_to_try_a_space_works(copy: Path) -> None:
    (command,) = re.findall(r"^Try it: `nas-env (.*)`\.$", TEXT, re.MULTILINE)
    add(copy, "nas_env/spaces/three_widths.py")
    told = printed(copy, "-m", "nas_env_cli", *command.split(), "--evaluations", "10")
    assert "| random | 10 |" in told
    assert (copy / "runs" / "try" / "best.json").is_file()
