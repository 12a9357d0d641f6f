"""The task "own-data" on arrays: layouts that work, and what is wrong with files that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from nas_env.errors import InvalidDataError
from nas_env.tasks.own_data import own_data
from tests.support.paths import SHARED

MNIST = SHARED / "mnist_15k.npz"
RNG = np.random.default_rng(0)
LABELS = np.arange(30) % 3


def images(count: int = 30, *shape: int) -> np.ndarray[Any, Any]:
    return RNG.integers(0, 256, size=(count, *(shape or (6, 5))), dtype=np.uint8)


def three(**changes: Any) -> dict[str, Any]:
    """Return a full layout of three splits, with changes; None leaves an array out."""
    content = {
        "x_train": images(30),
        "y_train": LABELS,
        "x_val": images(9),
        "y_val": LABELS[:9],
        "x_test": images(9),
        "y_test": LABELS[:9],
        **changes,
    }
    return {key: value for key, value in content.items() if value is not None}


def test_one_part_is_split_in_60_20_20() -> None:
    task = own_data({"x": images(), "y": LABELS})
    assert task.spec.sizes == (18, 6, 6)
    assert task.spec.input_shape == (1, 6, 5)
    assert (task.spec.num_outputs, task.spec.modality) == (3, "image")


def test_given_splits_stay_as_they_are() -> None:
    content = three()
    task = own_data(content)
    assert task.spec.sizes == (30, 9, 9)
    for name, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        part = task._splits[split]
        assert np.array_equal(part.y, content[f"y_{name}"])
        restored = part.x[:, 0] * task.sd[0] + task.mean[0]
        np.testing.assert_allclose(restored, content[f"x_{name}"], atol=1e-3)


def test_without_validation_a_fifth_of_the_training_part_is_taken() -> None:
    assert own_data(three(x_val=None, y_val=None)).spec.sizes == (24, 6, 9)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 5), (1, 6, 5)),
        ((6, 5, 3), (3, 6, 5)),
        ((3, 6, 5), (3, 6, 5)),
        ((6, 5, 1), (1, 6, 5)),
        ((7,), (7,)),
    ],
)
def test_layouts_of_samples(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x = images(30, *shape)
    task = own_data({"x": x, "y": LABELS})
    assert task.spec.input_shape == expected
    if shape == (6, 5, 3):
        first = own_data({"x": x.transpose(0, 3, 1, 2), "y": LABELS})
        assert first.fingerprint == task.fingerprint


@pytest.mark.parametrize(
    "labels",
    [np.array(["cat", "dog", "owl"]), np.array([10, -3, 7]), np.array([5, 6, 9], dtype=np.uint8)],
)
def test_labels_may_be_strings_or_any_integers(labels: np.ndarray[Any, Any]) -> None:
    y = labels[LABELS]
    task = own_data(three(y_train=y, y_val=y[:9], y_test=y[:9]))
    codes = task._splits["test"].y
    assert np.array_equal(np.sort(labels)[codes], y[:9])


def test_a_file_is_the_same_task_as_its_arrays(tmp_path: Path) -> None:
    content = three()
    np.savez_compressed(tmp_path / "data.npz", notes=np.array("not looked at"), **content)
    for path in (tmp_path / "data.npz", str(tmp_path / "data.npz")):
        assert own_data(path).fingerprint == own_data(content).fingerprint


def test_the_mnist_file_works_as_it_is(make_env: Callable[..., gym.Env[Any, Any]]) -> None:
    if not MNIST.is_file():
        pytest.skip(f"{MNIST} is not here")
    task = own_data(MNIST)
    assert task.spec.sizes == (9600, 2400, 3000)
    assert (task.spec.input_shape, task.spec.num_outputs) == ((1, 28, 28), 10)
    env = make_env(data=MNIST)
    env.reset(seed=0)
    assert env.unwrapped.task.fingerprint == task.fingerprint  # type: ignore[attr-defined]


WITH_NAN, TOO_LARGE = images().astype(np.float64), images().astype(np.float64)
WITH_NAN[4, 2, 2] = np.nan
TOO_LARGE[7, 0, 0] = 1e300
UNKNOWN = LABELS[:9].copy()
UNKNOWN[5] = 8
RARE = np.array([0] * 14 + [1] * 14 + [2] * 2)
WRONG: dict[str, tuple[Mapping[str, Any], str]] = {
    "too few axes": ({"x": images()[:, 0, 0], "y": LABELS}, r"x has shape \(30,\).*vectors"),
    "no axes": ({"x": np.array(3.0), "y": LABELS}, r"x has shape \(\).*Needed: vectors"),
    "a single label": ({"x": images(), "y": np.array(1)}, r"y must be.*\(\) int64.*per sample"),
    "too many axes": ({"x": images(30, 2, 3, 4, 5), "y": LABELS}, "x has shape.*images"),
    "two channels": ({"x": images(30, 6, 5, 2), "y": LABELS}, "1, 3 or 4 channels"),
    "one-hot labels": ({"x": images(), "y": np.eye(3, dtype=int)[LABELS]}, r"y must be.*\(30, 3\)"),
    "text as samples": ({"x": images().astype(str), "y": LABELS}, "x must hold numbers.*float32"),
    "not a number": ({"x": WITH_NAN, "y": LABELS}, "x sample 4 holds NaN or infinity.*Remove"),
    "infinite in float32": ({"x": TOO_LARGE, "y": LABELS}, "x sample 7 holds NaN or infinity"),
    "single class": ({"x": images(), "y": LABELS * 0}, "all training labels are 0.*two classes"),
    "rare class": ({"x": images(), "y": RARE}, "class 2 has 2 samples.*at least 5.*Add samples"),
    "other length": ({"x": images(), "y": LABELS[:29]}, "30 samples, but y has 29.*one label"),
    "nothing": ({"x": images()[:0], "y": LABELS[:0]}, "x is empty.*needs samples"),
    "empty test": (three(x_test=images()[:0], y_test=LABELS[:0]), "x_test is empty"),
    "empty validation": (three(x_val=images()[:0], y_val=LABELS[:0]), "x_val is empty"),
    "single training class": (three(y_train=LABELS * 0), "all training labels are 0"),
    "unknown label": (three(y_test=UNKNOWN), "label 8 of the test split.*Training labels: 0, 1, 2"),
    "no test split": (three(x_test=None, y_test=None), "Needed: `x`, `y` or `x_train`"),
    "half a validation split": (three(y_val=None), "has the arrays.*Needed"),
    "both layouts": (three(x=images(), y=LABELS), "has the arrays.*Needed"),
    "no known name": ({"pictures": images(), "labels": LABELS}, "Needed: `x`, `y`"),
    "a name twice": (
        {"train_images": images(), "images": images(), "data": images(), "y": LABELS},
        "has the arrays",
    ),
    "two names of one meaning": (
        {"images": images(), "data": images(), "y": LABELS},
        "the arrays images and data have the same meaning, x. Keep one of them",
    ),
    "other sizes": (three(x_test=images(9, 6, 6)), "different shapes.*equal"),
    "other kinds of label": (
        three(y_test=np.array(["a", "b", "c"])[LABELS[:9]]),
        "of the test split is in no training sample",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_refused_by_file_and_remedy(tmp_path: Path, case: str) -> None:
    content, message = WRONG[case]
    path = tmp_path / "data.npz"
    np.savez(path, **content)
    with pytest.raises(InvalidDataError, match=message) as caught:
        own_data(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    with pytest.raises(InvalidDataError):
        own_data(content)


def test_numbers_with_fractions_are_no_classes() -> None:
    content = {"x": images(), "y": LABELS / 2}
    assert own_data(content).spec.problem == "regression"
    with pytest.raises(InvalidDataError, match=r"target 0\.5 \(sample 1 of x\) is not a class"):
        own_data(content, problem="classification")


RAGGED: dict[str, tuple[Mapping[str, Any], str]] = {
    "features": ({"x": [[1.0], [2.0, 3.0]] * 15, "y": LABELS}, "x must be one array.*got a list"),
    "images": ({"x": [images(1), images(1, 4, 4)], "y": [0, 1]}, "x must be one array.*resizing"),
    "labels": ({"x": images(), "y": [[1], [2, 3]] * 15}, "y must be one array.*inhomogeneous"),
}


@pytest.mark.parametrize("case", RAGGED)
def test_ragged_lists_are_refused_by_name_and_remedy(case: str) -> None:
    content, message = RAGGED[case]
    with pytest.raises(InvalidDataError, match=message) as caught:
        own_data(content)
    assert str(caught.value).startswith("The given arrays: ")
    assert caught.value.__suppress_context__


def test_a_tensor_that_is_no_array_is_refused() -> None:
    x = torch.ones(30, 4, requires_grad=True)
    with pytest.raises(InvalidDataError, match=r"x must be one array.*got a Tensor.*numpy arrays"):
        own_data({"x": x, "y": LABELS})


def truncated(path: Path) -> None:
    np.savez(path, x=images(), y=LABELS)
    path.write_bytes(path.read_bytes()[:700])


def damaged(path: Path) -> None:
    np.savez(path, x=images(), y=LABELS)
    data = bytearray(path.read_bytes())
    data[300:400] = bytes(100)
    path.write_bytes(data)


def damaged_compressed(path: Path) -> None:
    np.savez_compressed(path, x=images(), y=LABELS)
    data = bytearray(path.read_bytes())
    data[200:400] = bytes(range(200))
    path.write_bytes(data)


def test_no_damage_gets_through_as_another_error(tmp_path: Path) -> None:
    path, rng = tmp_path / "data.npz", np.random.default_rng(0)
    np.savez_compressed(path, x=images(), y=LABELS)
    whole, refused = path.read_bytes(), 0
    for _ in range(300):
        data, start = bytearray(whole), int(rng.integers(len(whole)))
        data[start : start + 20] = rng.bytes(20)
        path.write_bytes(data)
        try:
            own_data(path)
        except InvalidDataError:
            refused += 1
    assert refused > 200


def single_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, images())


UNREADABLE: dict[str, Callable[[Path], Any]] = {
    "text": lambda path: path.write_text("x,y\n1,2\n"),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": truncated,
    "damaged": damaged,
    "damaged and compressed": damaged_compressed,
    "single array": single_array,
    "objects": lambda path: np.savez(path, x=np.array([[1], "a"], dtype=object), y=LABELS),
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_files_are_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "data.npz"
    UNREADABLE[case](path)
    with pytest.raises(InvalidDataError, match=r"npz|single array") as caught:
        own_data(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match=r"no\.npz: no such file\. Give the path"):
        own_data(tmp_path / "no.npz")
