"""How the time limit of a command is divided and kept."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_env_cli.interrupts import TimeIsUp, time_limit
from nas_env_cli.search.timetable import Timetable

SWITCH = st.booleans()


@given(st.floats(1, 1e5), SWITCH, SWITCH, SWITCH, SWITCH, st.lists(st.floats(0, 3e4), max_size=4))
def test_the_stages_share_the_limit(
    limit: float, compares: bool, retrains: bool, exports: bool, fits: bool, used: list[float]
) -> None:
    now = [0.0]
    times = Timetable(limit, compares, retrains, exports, fits, started=0.0, clock=lambda: now[0])
    parts = times.for_search(), times.comparison, times.retraining, times.sklearn, times.finish
    assert sum(parts) == pytest.approx(limit)
    assert (times.comparison > 0, times.retraining > 0, times.sklearn > 0) == (
        compares,
        retrains,
        fits,
    )
    for seconds in used:
        before = times.for_search(), times.for_comparison(), times.for_retraining()
        assert before[0] <= before[1] <= before[2] <= times.left
        now[0] += seconds
        after = times.for_search(), times.for_comparison(), times.for_retraining()
        assert all(0 <= x <= y for x, y in zip(after, before, strict=True))
    assert times.left == max(0.0, limit - sum(used))


def test_the_text_names_the_stages() -> None:
    times = Timetable(600, started=0.0, clock=lambda: 0.0)
    expected = "time limit 10 min: 5.93 min search, 2 min comparison, 2 min retraining, 4 s summary"
    assert times.text() == expected
    alone = Timetable(600, compares=False, exports=True, started=0.0, clock=lambda: 0.0)
    assert "comparison" not in alone.text() and "summary and export" in alone.text()


def test_time_before_an_interruption_counts(tmp_path: Path) -> None:
    first = Timetable(100, started=0.0, clock=lambda: 30.0)
    first.write(tmp_path)
    second = Timetable(100, started=500.0, clock=lambda: 520.0)
    assert second.left == 80
    second.read(tmp_path)
    assert second.left == 50
    second.write(tmp_path)
    third = Timetable(100, started=0.0, clock=lambda: 0.0)
    third.read(tmp_path)
    assert third.left == 50


def test_without_a_limit_nothing_is_written(tmp_path: Path) -> None:
    times = Timetable(None)
    times.write(tmp_path)
    assert not list(tmp_path.iterdir())
    assert times.left == float("inf")


def test_a_block_is_stopped_and_the_next_is_not() -> None:
    began = time.monotonic()
    with pytest.raises(TimeIsUp), time_limit(0.05):
        while True:
            time.sleep(0.01)
    assert time.monotonic() - began < 5
    with time_limit(30):
        pass
    with time_limit(float("inf")):
        time.sleep(0.1)  # the timers of the blocks before are off


def test_an_import_is_finished_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "imported_in_time"
    (tmp_path / f"{name}.py").write_text("import time\ntime.sleep(0.3)\nended = time.monotonic()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TimeIsUp), time_limit(0.05):
        importlib.import_module(name)
        while True:
            time.sleep(0.01)
    assert time.monotonic() - sys.modules.pop(name).ended < 5
