"""`docs/ci.md` and the list of slow tests come from measured times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ci_page
from tests.support.ci_page import listed, main, page
from tests.support.paths import ROOT
from tests.support.slow_tests import PROCESSOR

TIMES = {
    "tests/a/test_x.py::test_one[1]": {"seconds": 2.0, PROCESSOR: 1.0, "always": False},
    "tests/a/test_x.py::test_one[2]": {"seconds": 3.0, PROCESSOR: 1.5, "always": False},
    "tests/a/test_x.py::test_two": {"seconds": 0.25, PROCESSOR: 0.2, "always": False},
    "tests/b/test_y.py::test_three": {"seconds": 9.0, PROCESSOR: 8.0, "always": True},
}


def test_tests_over_the_limit_are_listed_unless_they_always_run() -> None:
    assert listed(TIMES) == ["tests/a/test_x.py::test_one"]
    assert listed(TIMES, 2.5) == ["tests/a/test_x.py::test_one[2]"]


def test_the_page_sums_by_part_folder_and_test() -> None:
    text = page(TIMES, set(listed(TIMES)), "a command", "A machine.")
    assert "| quick, `make test` | 2 | 9 | 8 |" in text
    assert "| slow, `make test-slow` | 2 | 5 | 2 |" in text
    assert "| `tests/a` | 1 | 0 | 2 | 5 | 3 |" in text
    assert "| `tests/b` | 1 | 9 | 0 | 0 | 8 |" in text
    assert "| `tests/a/test_x.py::test_one` | 2 | 5 | 2 |" in text
    assert "written by `a command`. A machine." in text


def test_both_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci_page, "LIST", tmp_path / "list.txt")
    (tmp_path / "times.json").write_text(json.dumps(TIMES))
    output = ["--output", str(tmp_path / "ci.md")]
    main([str(tmp_path / "times.json"), *output])
    assert (tmp_path / "list.txt").read_text() == ci_page.HEAD + "tests/a/test_x.py::test_one\n"
    assert "| slow, `make test-slow` | 2 | 5 | 2 |" in (tmp_path / "ci.md").read_text()
    main([str(tmp_path / "times.json"), *output, "--keep-list", "--command", "another"])
    assert "written by `another`" in (tmp_path / "ci.md").read_text()


def test_the_times_of_tests_are_noted(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.support.slow_tests import *\n")
    (tmp_path / "test_x.py").write_text(
        "def test_busy():\n    assert sum(range(3_000_000)) > 0\n\ndef test_idle():\n    pass\n"
    )
    for name in ("busy", "idle"):
        words = ["--note-times", "out/times.json", "-p", "no:cacheprovider", "-k", name]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
    times = json.loads((tmp_path / "out" / "times.json").read_text())
    busy, idle = (times[f"test_x.py::test_{name}"] for name in ("busy", "idle"))
    assert busy[PROCESSOR] > idle[PROCESSOR] >= 0
    assert busy["seconds"] > 0 and busy["always"] is False
