"""Tables of anybody's in a benchmark, and the pages of private runs."""

from __future__ import annotations

import json
from pathlib import Path

from nas_env_cli.benchmark.page import Leaderboard
from nas_env_cli.benchmark.results import read_results, write_results
from nas_env_cli.benchmark.runs import Runs
from tests.nas_env_cli.benchmark.tiny import ROOT, TABLE, loaded, rows, run, settings, table

PLAYED = (("random", "a"), ("random", "b"), ("successive-halving", "b"))
TINY = ("--limit", 8, "--repeats", 5)


def test_numbers_that_are_no_fractions_stand_as_they_are(tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("op1,op2,valid,time\na,b,90.5,30\na,c,93.5,20\nb,b,91.5,10\nb,c,70.5,40\n")
    where = f'NASTable-v0:path={mine},decisions=["op1","op2"],reward'
    envs = (f"percent={where}=valid", f"time={where}=-time", TABLE)
    run("benchmark", "--agents", "random", "--envs", *envs, "--seeds", 2, "--limit", 60,
        "--repeats", 5, "--output", tmp_path / "b")  # fmt: skip
    page = (tmp_path / "b" / "leaderboard.md").read_text()
    percent, time, c10 = page.split("\n## percent\n")[1].split("![Best")[:3]
    assert "| agent | runs | score | report |" in percent and "| 93.50 ± 0.00 | 93.50" in percent
    assert "| agent | runs | score | report |" in time and "| -10.00 ± 0.00 | -10.00" in time
    assert "| agent | runs | score, % | report, % |" in c10
    assert "Numbers of percent, time are not fractions and are shown unscaled." in page
    curves = tmp_path / "b" / "leaderboard" / "curves-percent.svg"
    assert "regret of the report<" in curves.read_text()
    assert "regret of the report, points<" in curves.with_stem("curves-c10").read_text()


def test_the_page_goes_beside_its_file(tmp_path, monkeypatch):
    write_results(tmp_path / "mine.parquet", [table(rows("a", 0, 0.5))], settings(9, a="random"))
    text = run("leaderboard", tmp_path / "mine.parquet", "--repeats", 5)
    assert f"Written: {tmp_path / 'leaderboard.md'}" in text
    page_of = loaded("leaderboard").page_of
    monkeypatch.chdir(ROOT)
    assert page_of(Path("docs/leaderboard/best.parquet")) == ROOT / "docs" / "leaderboard.md"


def test_an_empty_cell_is_explained():
    runs = Runs(table(*(rows(x, 0, 0.5, env=y) for x, y in PLAYED)), 9)
    page = Leaderboard(runs, settings(9, **{x: x for x, _ in PLAYED}), "best.parquet", repeats=5)
    assert page._overview().endswith(
        "| `successive-halving` | 1 |  | 50.00 [50.00, 50.00] |\n\nEmpty cell: not run on "
        "this environment; successive halving needs more than one fidelity."
    )


def test_a_changed_file_is_refused(tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("op1,op2,valid\na,b,0.5\na,c,0.6\n")
    env = f't=NASTable-v0:path={mine},decisions=["op1","op2"],reward=valid'
    start = ("--agents", "random", "--envs", env, *TINY, "--output", tmp_path / "b", "--seeds")
    run("benchmark", *start, 1)
    assert "1 already finished" in run("benchmark", *start, 2)
    file = tmp_path / "b" / "settings.json"
    known = json.loads(file.read_text())
    del known["envs"]["t"]["files"]  # as in a folder of before
    file.write_text(json.dumps(known))
    assert "2 already finished" in run("benchmark", *start, 3)
    mine.write_text("op1,op2,valid\na,b,0.5\na,c,0.7\n")
    text = run("benchmark", *start, 4, code=2)
    assert f"File {mine} of --envs t has changed since the benchmark in" in text
    assert len(read_results(tmp_path / "b" / "results.parquet")[0]) >= 3
