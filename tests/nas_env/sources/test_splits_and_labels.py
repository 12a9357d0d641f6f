"""Names of arrays, labels of every kind, announced splits, and classes that a split lacks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nas_env.errors import IncompatibleError
from nas_env.sources import ReadOptions, read_data
from nas_env.sources.splitting import SPLIT_SEED, announced, bins, stratified_split
from nas_env.tasks.own_data import own_data
from tests.support.made_data import Pairs, image_folder, pixels, sizes, table

# ---- names of arrays ----

TRAIN, VALIDATION, TEST = ("train", "training"), ("val", "valid", "validation", "dev"), ("test",)
STYLES: dict[str, Callable[[str, str], str]] = {
    "axis first": lambda axis, split: f"{axis}_{split}",
    "split first": lambda axis, split: f"{split}_{axis}",
    "capitals": lambda axis, split: f"{axis.upper()}_{split}",
}
AXES = (("x", "y"), ("images", "labels"), ("data", "target"), ("features", "targets"))


def in_splits(x_name: str, y_name: str, words: tuple[str, ...], style: str) -> dict[str, Any]:
    """Return arrays of 30, 9 and 6 samples, whose first number tells split and row."""
    arrays: dict[str, Any] = {}
    for place, (split, count) in enumerate(zip(words, (30, 9, 6), strict=False)):
        x = np.arange(count * 4.0).reshape(count, 4) + 1000 * place
        arrays[STYLES[style](x_name, split)] = x
        arrays[STYLES[style](y_name, split)] = np.arange(count) % 3
    return arrays


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("words", list(itertools.product(TRAIN, VALIDATION, TEST)))
@pytest.mark.parametrize("as_file", [False, True])
def test_arrays_are_known_by_the_meaning_of_their_names(
    axes: tuple[str, str], style: str, words: tuple[str, ...], as_file: bool, tmp_path: Path
) -> None:
    arrays: Any = in_splits(*axes, words, style)
    names = list(arrays)
    if as_file:
        np.savez(tmp_path / "mine.npz", **arrays)
        arrays = tmp_path / "mine.npz"
    data = read_data(arrays)
    assert sizes(data) == (30, 9, 6)
    for place, split in enumerate(("train", "validation", "test")):
        assert pixels(data, split)[0, 0] == 1000 * place
    usual = {"x_train", "y_train", "x_val", "y_val", "x_test", "y_test"}
    told = [note for note in data.notes if note.startswith("Arrays are read by the meaning")]
    assert len(told) == (not set(names) <= usual)
    assert all(f"{name} as " in told[0] for name in names if name not in usual)


def test_the_keys_of_medmnist_are_read_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 30), ("val", 9), ("test", 6)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 3)[:, None].astype(np.uint8)  # (n, 1)
    np.savez(tmp_path / "bloodmnist.npz", **arrays)
    data = read_data(tmp_path / "bloodmnist.npz")
    assert (data.problem, data.classes, sizes(data)) == ("classification", tuple("012"), (30, 9, 6))
    assert np.array_equal(pixels(data, "test"), arrays["test_images"].transpose(0, 3, 1, 2))
    assert np.array_equal(data.y[data.rows["test"]], arrays["test_labels"][:, 0])


def test_usual_names_come_before_other_words() -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    data = read_data({"x": x, "y": y, "labels": y[::-1], "train_images": x + 1})
    assert np.array_equal(np.sort(np.asarray(data.x), axis=0), x)
    assert "Arrays with other names were left out: labels, train_images." in data.notes


# ---- labels ----

FLOATS = {
    "zero and one": ([0.0, 1.0], "y", "classification"),
    "minus and plus one": ([-1.0, 1.0], "y", "classification"),
    "one to three as y": ([1.0, 2.0, 3.0], "y", "regression"),
    "one to three as labels": ([1.0, 2.0, 3.0], "labels", "classification"),
    "thirty as labels": (list(np.arange(30.0)), "labels", "regression"),
    "fractions as labels": ([0.0, 0.5], "labels", "regression"),
}


@pytest.mark.parametrize("case", FLOATS)
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_floating_point_labels_are_classes_if_few(
    case: str, column: bool, dtype: Any
) -> None:
    values, name, problem = FLOATS[case]
    y = np.resize(np.array(values, dtype), 300)
    arrays = {"x": np.arange(600.0).reshape(300, 2), name: y[:, None] if column else y}
    data = read_data(arrays)
    assert data.problem == problem
    if problem == "classification":
        assert data.classes == tuple(str(int(value)) for value in values)
        told = f"The targets are {len(values)} different whole floating-point numbers, so they are "
        assert any(note.startswith(f"{told}classes; set problem='regr") for note in data.notes)
    else:
        assert any("so it is regression" in note for note in data.notes)
    assert read_data(arrays, ReadOptions(problem="regression")).problem == "regression"
    if case != "fractions as labels":
        asked = read_data(arrays, ReadOptions(problem="classification"))
        assert len(asked.classes) == len(values)


@pytest.mark.parametrize("source", ["torch", "table"])
def test_zeros_and_ones_are_classes_in_every_source(source: str) -> None:
    y = np.resize([0.0, 1.0], 80)
    given_: Any = table().assign(label=y)
    if source == "torch":
        given_ = Pairs(np.arange(160.0).reshape(80, 2), y.tolist())
    data = read_data(given_)
    assert (data.problem, data.classes) == ("classification", ("0", "1"))
    assert any("2 different whole floating-point numbers" in note for note in data.notes)


# ---- announced splits ----


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.2), (0.8, 0.2)])
@pytest.mark.parametrize("kind", ["normal", "ties", "skewed"])
def test_numbers_are_split_as_announced(shares: tuple[float, ...], kind: str) -> None:
    rng = np.random.default_rng(0)
    for count in range(5, 501):
        y = {
            "normal": rng.normal(size=count),
            "ties": rng.integers(0, 3, count).astype(float),
            "skewed": rng.gamma(0.3, size=count) ** 3,
        }[kind]
        labels = bins(y)
        parts = stratified_split(labels, shares, totals=True)
        assert [len(part) for part in parts] == announced(count, shares).tolist()
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))
        for part, share in zip(parts, shares, strict=True):
            exact = share * np.bincount(labels)
            held = np.bincount(labels[part], minlength=len(exact))
            assert np.abs(held - exact).max() < 1.5


@given(st.lists(st.integers(5, 40), min_size=2, max_size=60), st.sampled_from([0.6, 0.8]))
@settings(max_examples=60, deadline=None)
def test_totals_of_any_classes_are_those_announced(counts: list[int], share: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    shares = (0.6, 0.2, 0.2) if share == 0.6 else (0.8, 0.2)
    parts = stratified_split(labels, shares, totals=True)
    assert [len(part) for part in parts] == announced(len(labels), shares).tolist()
    for part in parts:
        assert np.bincount(labels[part], minlength=len(counts)).min() >= 1


def earlier_split(labels: NDArray[np.int64], shares: tuple[float, ...]) -> list[NDArray[np.int64]]:
    """Return the split of each class alone, which the sealed splits of the tasks depend on."""
    rng = np.random.default_rng(SPLIT_SEED)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(np.cumsum(shares)[:-1] * len(members)).astype(int)
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]


@given(st.lists(st.integers(0, 6), min_size=5, max_size=200))
@settings(max_examples=50, deadline=None)
def test_splits_of_classes_stay_as_they_were(labels: list[int]) -> None:
    values = np.array(labels)
    for shares in ((0.6, 0.2, 0.2), (0.8, 0.2), (0.64, 0.16, 0.2)):
        before, now = earlier_split(values, shares), stratified_split(values, shares)
        assert all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))
        if [len(part) for part in before] == announced(len(values), shares).tolist():
            now = stratified_split(values, shares, totals=True)
            assert all(np.array_equal(a, b) for a, b in zip(before, now, strict=True))


@pytest.mark.parametrize("count", [60, 61, 99, 120, 442])
def test_regression_is_split_as_the_note_says(count: int) -> None:
    made = table(count).assign(label=np.random.default_rng(1).normal(size=count))
    data = read_data(made)
    assert sizes(data) == tuple(announced(count, (0.6, 0.2, 0.2)))
    assert "No splits were given: 60/20/20, stratified, by a fixed seed." in data.notes


@pytest.mark.parametrize("each", range(5, 13))
def test_many_small_classes_are_split_as_the_note_says(each: int) -> None:
    y = np.repeat(np.arange(40), each)
    data = read_data({"x": np.arange(2.0 * len(y)).reshape(-1, 2), "y": y})
    assert np.abs(np.array(sizes(data)) / len(y) - (0.6, 0.2, 0.2)).max() <= 0.01
    for rows in data.rows.values():
        assert np.bincount(data.y[rows], minlength=40).min() >= 1


# ---- absent classes ----


def without(split: str, source: str, folder: Path) -> Any:
    """Return data in three splits, of which one lacks the class "owl"."""
    if source == "folder":
        root = image_folder(folder, splits=("train", "validation", "test"), each=4)
        for path in (root / split / "owl").iterdir():
            path.unlink()
        (root / split / "owl").rmdir()
        return root
    y = {name: np.resize(["cat", "dog", "owl"], 12) for name in ("train", "validation", "test")}
    y[split] = np.resize(["cat", "dog"], 12)
    x = {name: np.random.default_rng(0).normal(size=(12, 4)) for name in y}
    if source == "arrays":
        arrays = {f"x_{name}": x[name] for name in y}
        return arrays | {f"y_{name}": labels for name, labels in y.items()}
    if source == "torch":
        return {name: Pairs(x[name], list(map(str, y[name]))) for name in y}
    parts = [table(12).assign(label=y[name], split=name) for name in y]
    if source == "table":
        import pandas

        return pandas.concat(parts, ignore_index=True)
    datasets = pytest.importorskip("datasets")
    made = {name: table(12).assign(label=y[name]) for name in y}
    return datasets.DatasetDict(
        {name: datasets.Dataset.from_pandas(part) for name, part in made.items()}
    )


@pytest.mark.parametrize("source", ["folder", "arrays", "torch", "table", "hugging face"])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_class_that_a_split_lacks_is_told(split: str, source: str, tmp_path: Path) -> None:
    data = without(split, source, tmp_path)
    task = own_data(data)
    told = f"The {split} split has no sample of 1 of 3 classes: owl. Metrics on it say nothing"
    assert any(note.startswith(told) for note in task.summary.notes)
    message = f"Metric 'roc_auc' needs samples of every class, but the {split} split .* none of owl"
    with pytest.raises(IncompatibleError, match=message):
        own_data(data, metric="roc_auc")
    assert own_data(data, metric="balanced_accuracy").spec.metric == "balanced_accuracy"


def test_nothing_is_told_if_no_class_is_absent() -> None:
    task = own_data(table(), metric="roc_auc")
    assert not any("has no sample of" in note for note in task.summary.notes)
