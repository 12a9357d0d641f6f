"""nas-env watch shows what the store holds, while a search runs and at its end."""

from __future__ import annotations

import io
import os
import subprocess
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from nas_env.evaluation import Evaluation, Outcome
from nas_env.store import SQLStore
from nas_env_cli.report.live import LiveSearches, is_over, read_live, view
from tests.support.paths import NAS_ENV, ROOT
from tests.support.programs import run_program
from tests.support.report_runs import make_run

SCRIPT = (*NAS_ENV, "watch")


def watch(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = run_program([*SCRIPT, *arguments], env={**os.environ, "COLUMNS": "80"})
    assert done.returncode == code, done.stderr
    return done


def shown(run: Path, found: LiveSearches | None = None) -> str:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(view(run, found or read_live(run)))
    return console.export_text()


def test_a_finished_search_is_shown_and_left(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", evaluations=12)
    text = watch(str(run)).stdout
    (search, entries), _ = read_live(run)
    assert is_over(run, read_live(run))
    assert f"{max(x.score for x in entries):.4f}" in text
    assert "12/12" in text and f"ended ({search.reason})" in text
    repeats = sum(not x.new for x in entries)
    assert f"q-learning: {repeats} repeats" in text
    assert "Latest networks of random" in text
    assert "\u2026" not in text, "a terminal of 80 columns is wide enough"


def test_a_search_without_its_random_search_is_not_over(tmp_path: Path) -> None:
    run = make_run(tmp_path / "[bold]run", evaluations=12, reference=False, finished=False)
    assert not is_over(run, read_live(run))
    text = shown(run)
    assert "[bold]run" in "".join(text.split()), "names are text, not markup of the terminal"
    assert "Latest networks of q-learning" in text and "best so far" in text


def test_a_failure_is_never_the_best_and_says_what_it_was(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", evaluations=4, reference=False, finished=False)
    ((search, entries),) = read_live(run)
    slow = Evaluation(Outcome.TOO_LARGE, message="Measured 0.02 ms, limit 0.001 ms.")
    crashed = Evaluation(Outcome.CRASHED, message="[red]no\x1b" + "x" * 100)
    failed = [replace(x, evaluation=slow, score=0.0) for x in entries[:3]]
    failed.append(replace(entries[3], evaluation=crashed, score=0.0, number=4))
    text = shown(run, [(search, failed)])
    assert "best so far" not in text and "too_large" not in text
    assert text.count("too slow: Measured 0.02 ms, limit 0.001 ms.") == 3
    assert f"crashed: [red]no\ufffd{'x' * 52}..." in text
    (row,) = [x for x in text.splitlines() if "q-learning" in x and "4/4" in x]
    assert " - " in row, "there is no best yet"
    text = shown(run, [(search, [*failed[:3], replace(entries[3], score=-1.0)])])
    assert text.count("best so far") == 1, "also where failures score more"


def test_a_search_that_goes_on_is_not_over(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", evaluations=12)
    store = SQLStore(run / "store.sqlite")
    first, second = store.searches()
    store.end_search(second.id, "interrupted")
    assert is_over(run, read_live(run))
    store.begin_search(first.info)  # --resume
    store.close()
    assert not is_over(run, read_live(run))


def test_a_search_that_was_just_started_is_waited_for(tmp_path: Path) -> None:
    run = tmp_path / "later"
    run.mkdir()
    command = [SCRIPT[0], "-u", *SCRIPT[1:], str(run), "--interval", "0.1"]
    wide = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(
        command, cwd=ROOT, env=wide, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        assert "no search in" in told and "waiting up to 20 s" in told
        make_run(run, evaluations=12)
        assert "ended (evaluations)" in process.stdout.read()
        assert process.wait(60) == 0


def test_something_else_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no search")
    for path in (tmp_path, tmp_path / "notes.txt"):
        done = watch(str(path), code=2)
        assert "holds no search" in done.stderr and "waiting" not in done.stdout


def test_mistakes_name_their_remedy(tmp_path: Path) -> None:
    error = watch(str(tmp_path), "--once", code=2).stderr
    assert "holds no search. Give the --output folder" in error
    error = watch(str(tmp_path), "--interval", "0", code=2).stderr
    assert "must be > 0 seconds, got 0.0" in error
