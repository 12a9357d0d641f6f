"""Every kind of data, read as it should be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from nas_env.errors import InvalidDataError, UnknownNameError
from nas_env.sources import SOURCES, ReadOptions, read_data
from nas_env.sources.splitting import SPLITS
from nas_env.sources.storage import MappedArray
from nas_env.tasks.own_data import own_data
from tests.support.made_data import SIDES, Pairs, image, image_folder, pixels, sizes, table
from tests.support.paths import SHARED

# ---- tables ----


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "parquet"])
def test_tables_of_every_format_are_the_same_data(suffix: str, tmp_path: Path) -> None:
    made, path = table(), tmp_path / f"mine.{suffix}"
    if suffix == "parquet":
        made.to_parquet(path)
    else:
        made.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    data, plain = read_data(path), read_data(made)
    np.testing.assert_allclose(data.x, plain.x, rtol=1e-6)
    assert (data.classes, data.problem) == (("no", "yes"), "classification")


def test_a_column_says_the_split(tmp_path: Path) -> None:
    words = np.array(["train"] * 50 + ["val"] * 12 + ["test"] * 18)
    data = read_data(table().assign(split=words))
    assert sizes(data) == (50, 12, 18)
    assert "split" not in [column["name"] for column in data.steps[0]["columns"]]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (np.arange(80) % 5, "classification"),
        (np.arange(80), "regression"),
        (np.arange(80) / 7, "regression"),
        (np.arange(80) % 2 == 0, "classification"),
        ([f"c{x % 3}" for x in range(80)], "classification"),
    ],
)
def test_the_problem_follows_from_the_target(target: Any, problem: str) -> None:
    assert read_data(table().assign(label=target)).problem == problem


def test_the_problem_may_be_said() -> None:
    made = table().assign(label=np.arange(80) % 5)
    assert read_data(made, ReadOptions(problem="regression")).problem == "regression"


def test_a_split_of_numbers_is_stratified_by_their_size() -> None:
    y = np.random.default_rng(0).gamma(1.0, size=500)
    data = read_data(table(500).assign(label=y))
    deciles = np.searchsorted(np.quantile(y, np.linspace(0.1, 0.9, 9)), y, side="right")
    for name, size in zip(SPLITS, (30, 10, 10), strict=True):
        assert np.bincount(deciles[data.rows[name]]).tolist() == [size] * 10


def test_useless_columns_are_left_out_and_told() -> None:
    made = table().assign(
        same=1,
        nothing=None,
        name=[f"person {x}" for x in range(80)],
        day=pandas.date_range("2020-01-01", periods=80),
    )
    notes = " ".join(read_data(made).notes)
    for name, why in (
        ("same", "all its values are the same"),
        ("nothing", "all its values are missing"),
        ("name", "it has 80 different texts"),
        ("day", "dates are used only if they are set to be dates, columns={'day': 'date'}"),
    ):
        assert f"Column {name!r} is left out: {why}" in notes
    assert read_data(made).x.shape == read_data(table()).x.shape


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes"])
def test_tables_of_scikit_learn_make_tasks(name: str) -> None:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    task = own_data(bunch.frame)
    problem = "regression" if name == "diabetes" else "classification"
    assert task.spec.problem == problem
    assert task.spec.input_shape == (bunch.data.shape[1],)
    assert sum(task.spec.sizes) == len(bunch.data)


# ---- data sets of torch ----


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (torch.randn(30, 5), (5,)),
        (torch.randn(30, 3, 4, 4), (3, 4, 4)),
        (np.ones((30, 4, 6), dtype=np.uint8), (1, 4, 6)),
        ([image(n, n % 3) for n in range(30)], (1, *SIDES)),
        ([image(n, n % 3, mode="RGB") for n in range(30)], (3, *SIDES)),
    ],
)
def test_map_style_data_sets_are_read(x: Any, shape: tuple[int, ...]) -> None:
    data = read_data(Pairs(x, [n % 3 for n in range(30)]))
    assert data.x.shape == (30, *shape)
    assert sizes(data) == (18, 6, 6)


def test_data_sets_of_torch_keep_their_splits_and_class_names() -> None:
    train, test = (
        torch.utils.data.TensorDataset(torch.randn(n, 4), torch.arange(n) % 2) for n in (40, 10)
    )
    train.classes = ["no", "yes"]
    data = read_data({"train": train, "test": test})
    assert (sizes(data), data.classes) == ((32, 8, 10), ("no", "yes"))
    numbers = torch.utils.data.TensorDataset(torch.randn(40, 4), torch.randn(40))
    assert read_data(numbers).problem == "regression"


# ---- data sets of Hugging Face ----


def hugging_face_images(count: int) -> Any:
    datasets = pytest.importorskip("datasets")
    made = {
        "image": [image(n, n % 3) for n in range(count)],
        "label": [n % 3 for n in range(count)],
    }
    names = datasets.ClassLabel(names=["cat", "dog", "owl"])
    features = datasets.Features({"image": datasets.Image(), "label": names})
    return datasets.Dataset.from_dict(made, features=features)


def test_images_of_hugging_face_are_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    both = datasets.DatasetDict(train=hugging_face_images(30), test=hugging_face_images(9))
    data = read_data(both)
    assert (sizes(data), data.classes) == ((24, 6, 9), ("cat", "dog", "owl"))
    assert np.array_equal(data.x[4][0], np.asarray(image(4, 1)))
    both.save_to_disk(str(tmp_path / "saved"))
    saved = read_data(tmp_path / "saved")
    assert np.array_equal(pixels(saved, "test"), pixels(data, "test"))


def test_tables_of_hugging_face_are_read() -> None:
    datasets = pytest.importorskip("datasets")
    made = table()
    data = read_data(datasets.Dataset.from_pandas(made, preserve_index=False))
    assert (data.kind, data.classes) == ("hugging-face", ("no", "yes"))
    np.testing.assert_allclose(data.x, read_data(made).x, rtol=1e-6)


# ---- all kinds, and data at hand ----

KINDS: dict[str, Callable[[Path], Any]] = {
    "npz": lambda folder: {"x": np.ones((30, 4)), "y": np.arange(30) % 3},
    "image-folder": image_folder,
    "archive": lambda folder: shutil.make_archive(
        str(folder / "mine"), "zip", image_folder(folder / "in")
    ),
    "table": lambda folder: table(),
    "torch-dataset": lambda folder: Pairs(np.ones((30, 4)), list(range(3)) * 10),
    "hugging-face": lambda folder: hugging_face_images(30),
}


def test_every_kind_is_tried_here() -> None:
    assert set(KINDS) == set(SOURCES)


@pytest.mark.parametrize("kind", KINDS)
def test_data_are_recognised_by_one_kind_and_split_alike_every_time(
    kind: str, tmp_path: Path
) -> None:
    given = KINDS[kind](tmp_path)
    assert [name for name in SOURCES if SOURCES.get(name)().recognises(given)] == [kind]
    first, again = read_data(given), read_data(given)
    for name in SPLITS:
        assert np.array_equal(first.rows[name], again.rows[name])
    every = np.concatenate([first.rows[name] for name in SPLITS])
    assert sorted(every.tolist()) == list(range(len(first.y)))
    counts = [np.bincount(first.y[first.rows[name]]) for name in SPLITS]
    shares = [count / count.sum() for count in counts]
    assert np.abs(shares[0] - shares[2]).max() < 0.1


def test_mnist_streams_from_its_file() -> None:
    path = SHARED / "mnist_15k.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    task = own_data(path, max_memory_mb=20)
    assert not task.data.in_memory
    assert task.spec.sizes == (9600, 2400, 3000)
    assert task.data.x.dtype == np.uint8
    assert task.mean.item() == pytest.approx(255 * 0.1307, rel=0.02)  # as published of all MNIST


def test_names_of_torchvision_make_both_splits_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of the same shape stands in: the real one would download."""
    import sys
    from types import ModuleType

    asked = []

    def shapes(root: str, train: bool = True, download: bool = False) -> Pairs:
        asked.append((root, train, download))
        return Pairs(
            [image(n, n % 3) for n in range(30 if train else 9)], [n % 3 for n in range(30)]
        )

    package, module = ModuleType("torchvision"), ModuleType("torchvision.datasets")
    module.Shapes, module.__all__ = shapes, ["Shapes"]  # type: ignore[attr-defined]
    package.datasets = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", package)
    data = read_data("torchvision:Shapes", ReadOptions(cache=tmp_path))
    assert sizes(data) == (24, 6, 9)
    assert asked == [(str(tmp_path), True, True), (str(tmp_path), False, True)]
    with pytest.raises(UnknownNameError, match=r"'Shape'\. Did you mean 'Shapes'"):
        read_data("torchvision:Shape")
    module.Letters = lambda root, split, train=True, download=False: None  # type: ignore[attr-defined]
    with pytest.raises(InvalidDataError, match=r"torchvision:Letters: cannot be loaded \(TypeErr"):
        read_data("torchvision:Letters")


def test_names_of_hugging_face_are_loaded_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    known = datasets.DatasetDict(train=hugging_face_images(30))

    def load(name: str) -> Any:
        if name != "shapes":
            raise FileNotFoundError(f"{name} is not there.")
        return known

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert sizes(read_data("huggingface:shapes")) == (18, 6, 6)
    with pytest.raises(InvalidDataError, match=r"huggingface:none: cannot be loaded \(FileNotF"):
        read_data("huggingface:none")


def test_labels_of_hugging_face_that_stand_for_none_are_refused() -> None:
    datasets = pytest.importorskip("datasets")
    hidden = hugging_face_images(9).map(lambda row: {"label": -1})
    both = datasets.DatasetDict(train=hugging_face_images(30), test=hidden)
    with pytest.raises(InvalidDataError, match="row 0 of test has the label -1"):
        read_data(both)


@pytest.mark.parametrize("limit", [None, 0.001])
def test_data_sets_of_torch_may_lie_in_a_file(limit: float | None) -> None:
    x = torch.randn(60, 3, 4, 4)
    data = read_data(
        torch.utils.data.TensorDataset(x, torch.arange(60) % 3), ReadOptions(max_memory_mb=limit)
    )
    assert isinstance(data.x, MappedArray) is (limit is not None)
    assert np.array_equal(data.x[np.arange(60)], x.numpy())
