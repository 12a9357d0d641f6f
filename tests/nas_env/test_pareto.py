"""Pareto sets and hypervolumes, against their definitions and against pymoo."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas_env.errors import InvalidSettingError
from nas_env.pareto import hypervolume, non_dominated

SIDE = 5  # of the grid on which volumes are counted


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one <= other).all() and (one < other).any())


@st.composite
def grids(draw: st.DrawFn, most: int = 3) -> np.ndarray:
    """Return points with whole coordinates, so that many are equal in one or in all."""
    shape = draw(st.integers(0, 12)), draw(st.integers(1, most))
    return draw(arrays(np.int64, shape, elements=st.integers(0, SIDE)))


@given(grids(most=4))
def test_the_front_is_what_the_definition_says(points: np.ndarray) -> None:
    wanted = [not any(dominates(other, point) for other in points) for point in points]
    assert non_dominated(points).tolist() == wanted


@given(grids())
def test_the_hypervolume_counts_unit_cubes(points: np.ndarray) -> None:
    dimensions = points.shape[1]
    corners = np.indices((SIDE,) * dimensions).reshape(dimensions, -1).T
    inside = [any((point <= corner).all() for point in points) for corner in corners]
    assert hypervolume(points, [SIDE] * dimensions) == sum(inside)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_fronts_and_volumes_are_those_of_pymoo(objectives: int) -> None:
    indicator = pytest.importorskip("pymoo.indicators.hv").HV
    sorting = pytest.importorskip("pymoo.util.nds.non_dominated_sorting").NonDominatedSorting
    rng = np.random.default_rng(objectives)
    reference = rng.uniform(0.7, 1.0, objectives)
    for size in (1, 7, 300):
        points = rng.random((size, objectives))
        volume = hypervolume(points, reference.tolist())
        assert volume == pytest.approx(indicator(ref_point=reference)(points), abs=1e-12)
        front = sorting().do(points, only_non_dominated_front=True)
        assert set(np.flatnonzero(non_dominated(points))) == set(front)


def test_the_volume_of_a_sphere_is_approached() -> None:
    """An eighth of a ball, seen from outside: 1 less pi / 6 is left of the unit cube."""
    rng = np.random.default_rng(0)
    normal = np.abs(rng.normal(size=(3000, 3)))
    points = 1 - normal / np.linalg.norm(normal, axis=1, keepdims=True)
    assert non_dominated(points).all()
    assert hypervolume(points, (1, 1, 1)) == pytest.approx(np.pi / 6, abs=0.02)


def test_equal_points_are_all_kept_and_count_once() -> None:
    twice = [[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 2.0]]
    assert non_dominated(twice).tolist() == [True, True, True, False]
    assert hypervolume(twice, (3, 3)) == hypervolume(twice[:2], (3, 3)) == 3.0


def test_what_is_not_better_than_the_reference_adds_nothing() -> None:
    assert hypervolume([[1.0, 4.0], [-9.0, 3.0]], (3, 3)) == 0.0
    assert hypervolume([[1.0, 1.0], [-9.0, 3.0]], (3, 3)) == 4.0
    assert hypervolume(np.zeros((0, 2)), (3, 3)) == 0.0
    assert non_dominated(np.zeros((0, 2))).tolist() == []


@pytest.mark.parametrize("objectives", [2, 3])
def test_ten_thousand_points_that_are_all_on_the_front(objectives: int) -> None:
    """Comparing all pairs takes ten seconds and more; a sweep a fraction of one."""
    points = np.random.default_rng(0).dirichlet(np.ones(objectives), 10_000)
    started = time.process_time()
    assert non_dominated(points).all()
    assert 0 < hypervolume(points, np.ones(objectives).tolist()) < 1
    assert time.process_time() - started < 5


def test_what_is_no_set_of_points_is_refused() -> None:
    for points in ([1.0, 2.0], [[1.0, np.nan]], [[np.inf, 1.0]], [[], []]):
        with pytest.raises(InvalidSettingError, match=r"must be a matrix .* Leave out"):
            non_dominated(points)
    for reference in ((1,), (1, 2, 3), (1, np.nan)):
        with pytest.raises(InvalidSettingError, match="one finite number for each of the 2"):
            hypervolume([[0.0, 0.0]], reference)
    with pytest.raises(InvalidSettingError, match=r"at most 3 objectives, .* have 4.*pymoo"):
        hypervolume(np.zeros((1, 4)), (1, 1, 1, 1))
