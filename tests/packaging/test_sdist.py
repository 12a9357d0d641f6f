"""The source distribution holds the repository, so that its tests run from it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def test_it_holds_every_file_of_the_repository(checkout: Path, tmp_path: Path) -> None:
    pytest.importorskip("build")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no clone")
    words = [sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(checkout)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob("nas_env-*.tar.gz")
    with tarfile.open(path) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    there = {x for x in listed.stdout.splitlines() if (ROOT / x).is_file()}
    assert there <= names
    assert {"tests/support/table.csv", "constraints.txt", "nas_env/data/digits.npz"} <= names
    assert not [x for x in names if x.startswith(("runs/", ".git/", ".venv/"))]
