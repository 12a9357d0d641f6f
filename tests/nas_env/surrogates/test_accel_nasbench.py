"""The surrogate of the space `mobile`: what it says of itself holds on the published numbers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_env.errors import InvalidDataError
from nas_env.network import predict
from nas_env.spaces import SearchSpace
from nas_env.surrogates import SURROGATES, Quadratic, Surrogate
from nas_env.surrogates.accel_nasbench import TARGETS
from nas_env.tables import base as tables_base
from scripts.data import accel_nasbench as fitting
from tests.support.paths import ROOT

SOURCE = ROOT.parent / "shared" / "data" / "accel_nasbench.parquet"
FOLD = 3  # any of the five


@cache
def surrogate() -> Surrogate:
    return SURROGATES.get("accel-nasbench")()


@cache
def space() -> SearchSpace:
    return surrogate().make_space(None)


@cache
def source() -> dict[str, Any]:
    """Return the columns of the published sample."""
    if not SOURCE.is_file():
        pytest.skip("accel_nasbench.parquet is not beside this checkout")
    from pyarrow import parquet

    table = parquet.read_table(SOURCE)
    return {column: table[column].to_numpy() for column in table.column_names}


def walks(count: int) -> Any:
    rng = np.random.default_rng(0)
    return np.array([space().sample(rng, "walks") for _ in range(count)])


def climbed(start: Any) -> tuple[Any, float]:
    """Return the walk, and its predicted accuracy, that no change of one decision betters."""
    model, best = surrogate().model, start
    while True:
        near = np.repeat(best[None], sum(map(len, model.legal)), axis=0)
        changes = [(place, x) for place, legal in enumerate(model.legal) for x in legal]
        near[np.arange(len(near)), [place for place, _ in changes]] = [x for _, x in changes]
        found = surrogate().predict(near, "accuracy")["accuracy"]
        if (near[found.argmax()] == best).all():
            return best, float(found.max())
        best = near[found.argmax()]


def test_walks_are_the_networks_of_the_table() -> None:
    """Parameters are equal; the published operations count those on activations, about 4/3, too."""
    rows, found = source(), fitting.walks_of(source())
    for row in range(0, len(found), 97):
        cost = predict(space().decode(found[row].tolist()).architecture, surrogate().spec)
        assert cost.params / 1e6 == pytest.approx(rows["params_m"][row], abs=1e-6)
        on_activations = rows["macs_m"][row] * 1e6 - cost.macs
        assert on_activations / (cost.activation_bytes / 4) == pytest.approx(4 / 3, rel=0.06)


def test_networks_that_were_fitted_are_predicted_at_least_as_well_as_those_held_out() -> None:
    measured_walks, numbers = fitting.complete(source())
    found = surrogate().predict(measured_walks)
    assert len(np.unique(measured_walks, axis=0)) == surrogate().networks
    for column, name in enumerate(TARGETS):
        own = fitting.errors(numbers[:, column], found[name])
        stated = surrogate().errors[name]
        assert stated.r2 <= own[0] <= stated.r2 + 0.1
        assert stated.tau <= own[1] <= stated.tau + 0.06
        assert 0.5 * stated.relative < own[2] <= stated.relative


def test_the_stated_errors_are_those_of_a_fold_that_is_held_out() -> None:
    measured_walks, numbers = fitting.complete(source())
    features, folds = surrogate().model.features(measured_walks), fitting.folds_of(measured_walks)
    out = folds == FOLD
    weights = fitting.ridge(features[~out], fitting.fitted(numbers[~out]))
    fitted = features[out] @ weights
    for column, name in enumerate(TARGETS):
        is_accuracy = name in surrogate().accuracies
        found = fitting.from_fitted(fitted[:, column], is_accuracy)
        own, stated = fitting.errors(numbers[out, column], found), surrogate().errors[name]
        assert own[1] == pytest.approx(stated.tau, abs=0.02)
        assert own[2] == pytest.approx(stated.relative, rel=0.15)
        if name != "simulated_seconds":  # a few took many times as long as their likes
            assert own[0] == pytest.approx(stated.r2, abs=0.01)


def test_no_network_is_in_two_folds() -> None:
    measured_walks, _ = fitting.complete(source())
    folds = fitting.folds_of(measured_walks)
    fold_of: dict[tuple[int, ...], int] = {}
    for walk, fold in zip(map(tuple, measured_walks.tolist()), folds.tolist(), strict=True):
        assert fold_of.setdefault(walk, fold) == fold
    assert len(fold_of) < len(folds), "none is repeated, so this shows nothing"
    assert np.bincount(folds).min() > 0.9 * len(folds) / fitting.FOLDS


def test_a_model_of_shuffled_numbers_predicts_nothing() -> None:
    """The errors are of networks held out: with noise for numbers there is nothing to know."""
    measured_walks, numbers = fitting.complete(source())
    shuffled = np.random.default_rng(0).permutation(numbers)
    features, folds = surrogate().model.features(measured_walks), fitting.folds_of(measured_walks)
    found = fitting.held_out(features, fitting.fitted(shuffled), folds)
    r2, tau, _ = fitting.errors(shuffled[:, 0], found[:, 0])
    assert r2 < 0 and abs(tau) < 0.05


def test_what_selection_costs_is_stated() -> None:
    """The best measured, and the hundredth that the model promises most."""
    _, numbers = fitting.complete(source())
    assert surrogate().best == pytest.approx(numbers[:, 0].max())
    assert 0 < surrogate().excess < 0.01
    assert surrogate().top_tau < surrogate().errors["accuracy"].tau


def test_the_top_is_an_extrapolation_of_a_sensible_size() -> None:
    best, accuracy = climbed(walks(1)[0])
    assert surrogate().best < accuracy < surrogate().best + 0.03
    assert space().check(tuple(best.tolist())) is None


def test_numbers_of_all_networks_are_possible() -> None:
    found = surrogate().predict(walks(2000))
    assert set(found) == set(TARGETS)
    for name, numbers in found.items():
        assert numbers.min() > 0
        assert len(np.unique(numbers)) == 2000, name
    assert found["accuracy"].max() < found["accuracy_top5"].max() < 1
    assert (found["accuracy"] < found["accuracy_top5"]).all()


@pytest.mark.parametrize("count", [1, 2, 7, 300])
def test_a_walks_numbers_do_not_depend_on_its_neighbours(count: int) -> None:
    batch = walks(300)[:count]
    whole, single = surrogate().predict(batch), surrogate().predict(batch[-1:])
    for name in TARGETS:
        assert whole[name][-1] == single[name][0]


def test_features_of_uniform_walks_are_orthonormal() -> None:
    legal = [(0, 1, 2), (3, 4), (5, 6, 7, 8)]
    every = np.array(np.meshgrid(*legal, indexing="ij")).reshape(3, -1).T
    features = Quadratic(legal).features(every)
    assert features.shape == (24, Quadratic(legal).num_features) == (24, 1 + 6 + 2 + 6 + 3)
    assert np.allclose(features.T @ features / len(every), np.eye(features.shape[1]))


def test_legality_is_the_spaces() -> None:
    rng, knows = np.random.default_rng(0), surrogate().model.knows
    for walk in walks(50).tolist():
        assert knows(tuple(walk)) and not knows(tuple(walk[:-1])) and not knows(())
        walk[rng.integers(28)] = int(rng.integers(11))
        assert knows(tuple(walk)) is (space().check(tuple(walk)) is None)


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "accel_nasbench.npz"
    with np.load(tables_base.files("nas_env.data") / file) as whole:
        content = dict(whole)
    monkeypatch.setattr(tables_base, "files", lambda _: tmp_path)
    for array in content:
        rest = {key: value for key, value in content.items() if key != array}
        for damaged in (rest, {**rest, array: content[array][:-1]}):
            np.savez(tmp_path / file, **damaged)
            with pytest.raises(
                InvalidDataError, match=rf"{re.escape(file)}.*scripts.data nasbench_tables"
            ):
                SURROGATES.get("accel-nasbench")()
