"""docs/cases.md is what its committed results make; commands are run once, in their order."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from nas_env.errors import NASError
from scripts.studies.cases import study as cases
from scripts.studies.cases import timed_commands
from scripts.studies.cases.passengers_table import lines, numbers
from scripts.studies.cases.timed_commands import Steps, left_by
from tests.support.paths import ROOT


def test_the_page_is_what_the_committed_results_make(tmp_path: Path) -> None:
    page = ROOT / "docs" / "cases.md"
    done = {
        name: Steps(page.with_suffix("") / f"{name}.json", commands).done()
        for name, commands in cases.CASES.items()
    }
    table = page.with_suffix("") / "table.json"
    splits = json.loads(table.read_text("utf-8")) if table.is_file() else []
    assert cases.page(done, splits) == page.read_text(encoding="utf-8")


def test_commands_that_have_ended_are_not_run_again(tmp_path: Path) -> None:
    note = tmp_path / "note"
    write = f"python -c \"open('{note}', 'a').write('x'); print('done')\""
    Steps(tmp_path / "steps.json", [write]).run()
    both = Steps(tmp_path / "steps.json", [write, "python -c print(5)"])
    both.run()
    assert note.read_text() == "x"
    assert [x["output"] for x in both.done()] == ["done\n", "5\n"]
    changed = Steps(tmp_path / "steps.json", ["python -c print(6)", "python -c print(5)"])
    assert changed.done() == []
    failing = Steps(tmp_path / "steps.json", [write, "python -c exit(3)"])
    with pytest.raises(NASError, match=r"Exit code 3 from python -c exit\(3\)"):
        failing.run()
    assert len(failing.done()) == 1 and note.read_text() == "x"
    assert (tmp_path / "steps.begun").read_text() == "python -c exit(3)"


def test_paths_of_the_machine_are_not_kept(tmp_path: Path) -> None:
    command = "python -c \"import os; print(os.path.abspath('runs/mine'))\""
    both = Steps(tmp_path / "steps.json", [command])
    both.run()
    assert [x["output"] for x in both.done()] == ["runs/mine\n"]


def test_what_an_interrupted_command_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, left = "python -c print(7)", tmp_path / "left"
    monkeypatch.setattr(timed_commands, "left_by", lambda words: [left])
    for begun in ("another command", command):
        left.mkdir(exist_ok=True)
        (tmp_path / "steps.begun").write_text(begun)
        Steps(tmp_path / "steps.json", [command]).run()
        assert left.is_dir() == (begun != command) and not (tmp_path / "steps.begun").exists()
        (tmp_path / "steps.json").unlink()


def test_commands_that_refuse_what_is_there_are_known() -> None:
    words = {command: shlex.split(command) for x in cases.CASES.values() for command in x}
    left = {" ".join(x[:2]) if x[0] == "nas-env" else x[2]: left_by(x) for x in words.values()}
    assert left["nas-env search"] == [ROOT / "runs/objects"]
    assert left["scripts.studies.cases.example_data"] == [ROOT / "data/objects"]
    assert {name for name, paths in left.items() if paths} == {
        "nas-env search",
        "scripts.studies.cases.example_data",
    }


def test_the_table_is_of_the_files_that_the_commands_left(tmp_path: Path) -> None:
    measured = [{"validation": 0.8, "test": 0.7}, {"validation": 0.6, "test": 0.9}]
    networks = [{"measured": measured, "params": 10}, {"measured": measured, "params": 20}]
    retrained = {"networks": networks, "ensemble_by_seed": [{"validation": 0.5, "test": 1.0}]}
    (tmp_path / "retrained.json").write_text(json.dumps(retrained))
    both = {"validation": {"accuracy": 0.7}, "test": {"accuracy": 0.75}}
    model = {"name": "gradient boosting, best of 120", **both}
    (tmp_path / "baselines.json").write_text(json.dumps([model]))
    text = "\n".join(lines([numbers(tmp_path)] * 2))
    assert "| best network of the search | 70.00 ± 0.00 | 80.00 ± 0.00 | 10 ± 0 |" in text
    assert "| ensemble of the best five | 50.00 ± 0.00 | 100.00 ± 0.00 | 30 ± 0 |" in text
    assert "ensemble of the best five against gradient boosting, best of 120: +25.00 points" in text
    assert "better on 2, worse on 0 of 2 splits." in text
