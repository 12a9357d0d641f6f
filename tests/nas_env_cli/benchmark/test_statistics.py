"""Statistics against examples small enough to be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nas_env_cli.benchmark.compare import BEATS, LEVEL, LOSES, Comparison, baselines
from nas_env_cli.benchmark.page import write_page
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.benchmark.statistics import ToOptimum, improvement, iqm, middles, profile
from tests.nas_env_cli.benchmark.tiny import rows, settings, table


def test_the_interquartile_mean_is_the_mean_of_the_middle_half():
    found = iqm(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0]), 50)
    assert found.value == (2 + 3 + 4 + 5) / 4
    assert found.low <= found.value <= found.high


def test_curves_are_taken_point_by_point():
    curves = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [9.0, 50.0]])
    medians, means = middles(np.vstack([curves, curves[3:] * 10]), 20)
    assert medians.value.tolist() == [3.0, 30.0]
    assert means.value.tolist() == [14 / 3, 100 / 3]
    assert medians.low.shape == means.high.shape == (2,)


def test_the_interval_covers_the_mean_about_as_often_as_it_says():
    """40 samples of 30 normal numbers: 95 % intervals of the IQM miss 0 about twice."""
    rng = np.random.default_rng(0)
    found = [iqm(rng.normal(size=30), 100) for _ in range(40)]
    missed = sum(not x.low <= 0 <= x.high for x in found)
    assert missed <= 6
    assert np.mean([x.high - x.low for x in found]) == pytest.approx(4 * 0.2, abs=0.2)


def test_the_probability_of_improvement_counts_pairs():
    ours, theirs = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0])
    assert improvement(ours, theirs, 20).value == (0.5 + 1.5 + 2) / 6
    assert improvement(theirs, ours, 20).value == (1.5 + 0.5) / 6
    even = improvement(ours, ours, 20)
    assert even.value == 0.5
    assert 0 < even.low < 0.5 < even.high < 1
    assert improvement(ours + 5, theirs, 20) == (1.0, 1.0, 1.0)


def test_it_is_the_library_s_own():
    metrics = pytest.importorskip("rliable.metrics")
    rng = np.random.default_rng(0)
    for _ in range(5):
        ours, theirs = rng.integers(0, 9, 20) / 9, rng.integers(0, 8, 30) / 9
        expected = metrics.probability_of_improvement(ours[:, None], theirs[:, None])
        assert improvement(ours, theirs, 2).value == pytest.approx(expected)
        assert iqm(ours, 2).value == pytest.approx(metrics.aggregate_iqm(ours))


def test_numbers_come_out_the_same_again_and_leave_the_generator_alone():
    np.random.seed(5)
    scores = np.arange(20.0)
    first = iqm(scores, 100)
    expected = np.random.RandomState(5).random_sample()
    assert np.random.random_sample() == expected
    assert iqm(scores, 100) == first


def test_profiles_are_shares():
    found = profile(
        [np.array([0.0, 1.0]), np.array([1.0, 3.0])], np.array([0.0, 1.0, 2.9, 3.0]), 20
    )
    assert found.value.tolist() == [0.25, 0.75, 0.75, 1.0]


def test_queries_to_the_optimum():
    runs = Runs(
        table(
            rows("a", 0, 0.2, 1.0),
            rows("a", 1, 0.2, 0.2, 0.3, 0.2, 1.0),
            rows("a", 2, 0.1, 0.2, 0.3, 0.4, 0.5),
        ),
        4,
    )
    assert runs.to_optimum("a", "e") == [2, 3, None]
    assert runs.to_optimum("a", "e", "trial") == [2, None, None]
    assert ToOptimum.of([2, 3, None], 4) == ToOptimum(3.0, 3.0, 2 / 3)
    assert ToOptimum.of([2, None, None], 4) == ToOptimum(10 / 3, None, 1 / 3)
    assert ToOptimum.of([2, None], 4).median is None


def test_charged_repeats_cost_queries():
    run = Runs(table(rows("a", 0, 0.2, 0.2, 0.2, 0.5)), 3)
    assert run.values("a", "e", "score").tolist() == [0.5]
    assert run.values("a", "e", "score", "trial").tolist() == [0.2]


def against(ours: list[float], theirs: list[float]) -> Comparison:
    runs = [rows("mine", seed, score) for seed, score in enumerate(ours)]
    runs += [rows("rs", seed, score) for seed, score in enumerate(theirs)]
    return Comparison(Runs(table(*runs), 1), 200)


def test_agents_of_different_environments_share_a_page(tmp_path):
    runs = [rows(*pair, 0.1, 0.5, env=env) for pair, env in ((("a", 0), "e"), (("b", 0), "f"))]
    told = settings(2, a="random", b="q-learning")
    told["envs"]["f"] = told["envs"]["e"]
    page = tmp_path / "page.md"
    write_page(table(*runs), told, page, tmp_path / "best.parquet", 5)
    assert "| `b` | 1 |  | 50.00 [50.00, 50.00] |" in page.read_text()


def test_verdicts():
    low, high = [0.1 + x / 100 for x in range(12)], [0.5 + x / 100 for x in range(12)]
    assert against(high, low).verdict("mine", "rs", "e") == BEATS
    assert against(low, high).verdict("mine", "rs", "e") == LOSES
    assert against(low, low).verdict("mine", "rs", "e") == LEVEL
    assert against(high[:9], low).verdict("mine", "rs", "e") == LEVEL, "too few runs for a verdict"


def test_a_sentence_names_the_rival():
    compare = against([0.5 + x / 100 for x in range(12)], [0.1] * 12)
    found = baselines(compare.runs, settings(1, mine="q-learning", rs="random")["agents"])
    assert compare.sentence("mine", found) == "`mine` beats random search on e."
    assert compare.sentence("rs", found) == "`rs` has no baseline to compare with."
    assert compare.sentence("mine", found, "queries") == (
        "`mine` is not distinguishable from random search on e."
    )
