"""A copy of the repository's code in which files can be added, and pytest run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.paths import ROOT

COPIED = ("nas_env", "agents", "tests", "scripts")
# Contract tests by the folder of what is under them; of a space, all that run over every space.
CONTRACT_TESTS = {
    "nas_env/spaces": (
        "tests/nas_env/spaces",
        "tests/nas_env/network",
        "tests/nas_env/env",
        "tests/nas_env_agents/test_agents_on_spaces.py",
    ),
    "nas_env/tasks": ("tests/nas_env/tasks/test_every_task.py",),
    "nas_env/layers": (
        "tests/nas_env/network/test_graphs.py",
        "tests/nas_env/export/test_source.py",
    ),
    "nas_env/evaluators": ("tests/nas_env/evaluators/test_every_evaluator.py",),
    "nas_env/objectives": ("tests/nas_env/test_objectives.py",),
    "agents/nas_env_agents": ("tests/nas_env_agents",),
}


def copy_checkout(folder: Path) -> Path:
    """Copy the repository's code into a folder and return the folder."""
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def name_of(path: str | Path) -> str:
    """Return the name that an example registers: that of its file, with hyphens."""
    return Path(path).stem.replace("_", "-")


def run_python(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on a copy."""
    path = os.pathsep.join(str(copy / name) for name in ("", "agents", "scripts"))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )


def contract_outcomes(
    copy: Path, paths: Iterable[str], *further: str, words: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Run the contract tests of example files in a copy.

    Args:
        copy: The copy, with the examples in it.
        paths: The examples, relative to the copy.
        further: Other files of tests to select from.
        words: Tests are selected whose names hold the name of an example, or one of these.

    Returns:
        The ids of the tests by outcome: "PASSED", "FAILED", "SKIPPED" and "ERROR".
    """
    paths = list(paths)
    words = [*words, *(word for path in paths for word in (name_of(path), Path(path).stem))]
    tests = [test for path in paths for test in CONTRACT_TESTS[str(Path(path).parent)]]
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-vv", "--tb=short"]
    done = run_python(
        copy, "-m", "pytest", *options, "-k", " or ".join(words), *dict.fromkeys(tests), *further
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, list[str]] = {x: [] for x in ("PASSED", "FAILED", "SKIPPED", "ERROR")}
    for test, outcome in re.findall(
        rf"^(tests/\S+::.*?) ({'|'.join(found)})\b", done.stdout, re.MULTILINE
    ):
        found[outcome].append(test)
    assert found["PASSED"] or found["FAILED"], done.stdout
    return found
