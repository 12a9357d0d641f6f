"""The comparisons of the page of the main job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas_env_cli.benchmark.results import read_results
from nas_env_cli.benchmark.runs import Runs
from scripts.studies.main_job.comparisons import Difference
from scripts.studies.main_job.side_by_side import section
from scripts.studies.main_job.study import PAGE, Options


def test_a_difference_is_clear_where_its_interval_excludes_zero() -> None:
    found = Difference.of([3.0, 4.0, 5.0], [1.0, 2.0, 3.5])
    assert found.mean == pytest.approx(11 / 6)
    assert found.half == pytest.approx(4.302653 * np.std([2, 2, 1.5], ddof=1) / 3**0.5)
    assert found.clear and (found.wins, found.losses, found.pairs) == (3, 0, 3)
    assert found.sentence("a", "b").endswith("in 3 and lower in 0 of 3 seeds: a beats b.")
    turned = Difference.of([1.0, 2.0, 3.5], [3.0, 4.0, 5.0])
    assert turned.sentence("a", "b").endswith(": b beats a.")


@pytest.mark.parametrize("one", [[1.0, 3.0], [2.0]])
def test_what_noise_or_a_single_seed_shows_is_not_told_apart(one: list[float]) -> None:
    found = Difference.of(one, [2.0, 1.9][: len(one)])
    assert not found.clear
    assert found.sentence("a", "b").endswith("no clear difference.")


def test_the_page_side_by_side_says_what_the_results_hold(tmp_path: Path) -> None:
    results = Options(()).table
    text = section(results, tmp_path / PAGE.name)
    assert b"<svg" in (tmp_path / PAGE.stem / "progress.svg").read_bytes()
    table, settings = read_results(results)
    runs = Runs(table, settings["limit"])
    env = runs.envs[0]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"]
    rows = {row[0]: row[1:] for row in cells[2:]}
    assert list(rows) == runs.agents
    for agent, (_, tested, below, _) in rows.items():
        report, regret = (100 * runs.values(agent, env, x) for x in ("report", "regret_report"))
        assert tested == f"{report.mean():.2f} ± {report.std(ddof=1):.2f}"
        assert float(below) == pytest.approx(regret.mean(), abs=0.006)
    assert text in PAGE.read_text("utf-8"), "the committed page is made from the committed results"
