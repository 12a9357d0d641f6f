"""The wheel and the environments it is installed in, made once."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support.paths import ROOT
from tests.support.venvs import PIP, Venv, outside, wanted

NOT_COPIED = (".git", ".venv", "runs", "dist", "build", "__pycache__", ".*_cache")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this checkout, for building writes into it."""
    copy = tmp_path_factory.mktemp("copy") / "checkout"
    return Path(shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED)))


@pytest.fixture(scope="session")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(checkout)]
    done = subprocess.run(words, capture_output=True, text=True, env=outside(), cwd=folder)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def requirements(wheel: Path, extra: str = "") -> list[str]:
    """Return what the wheel declares to need, with an extra or without."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (x for x in file.namelist() if x.endswith(".dist-info/METADATA"))
        texts = Parser().parsestr(file.read(name).decode()).get_all("Requires-Dist") or []
    return [text for text in texts if wanted(Requirement(text), {"", extra})]


@pytest.fixture(scope="session")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """Return an environment with the wheel and no extra."""
    made = Venv(tmp_path_factory.mktemp("base") / "venv")
    made.install(wheel)
    made.link(requirements(wheel))
    return made


@pytest.fixture(scope="session")
def agents(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Venv:
    """Return an environment with the wheel and its extra `agents`."""
    made = Venv(tmp_path_factory.mktemp("agents") / "venv")
    made.install(wheel)
    made.link(requirements(wheel, "agents"))
    return made
