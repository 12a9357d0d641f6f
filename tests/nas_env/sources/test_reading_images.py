"""Images in folders and archives, read as they should be."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas_env.sources import ReadOptions, read_data
from nas_env.sources.storage import MappedArray
from nas_env.tasks.own_data import own_data
from tests.support.made_data import SIDES, image, image_folder, pixels, sizes, table
from tests.support.paths import SHARED

# ---- images ----


def test_images_by_class_are_read_as_they_are(tmp_path: Path) -> None:
    data = read_data(image_folder(tmp_path))
    assert (data.kind, data.problem, data.classes) == (
        "image-folder",
        "classification",
        ("cat", "dog", "owl"),
    )
    assert (data.x.shape, data.x.dtype, sizes(data)) == ((30, 1, *SIDES), np.uint8, (18, 6, 6))
    for row in (0, 13, 29):
        label = int(data.y[row])
        number = sorted(range(10), key=lambda x: f"{x}.png")[row - 10 * label]
        assert np.array_equal(data.x[row][0], np.asarray(image(number + 100 * label, label)))
    assert data.steps == ({"step": "image", "channels": 1, "size": [8, 6]},)


def test_splits_of_folders_are_respected(tmp_path: Path) -> None:
    image_folder(tmp_path, splits=("training", "val", "test"), each=4)
    extra = tmp_path / "test" / "owl" / "deeper" / "one.png"
    extra.parent.mkdir()
    image(7, 2).save(extra)
    data = read_data(tmp_path)
    assert sizes(data) == (12, 12, 13)
    assert "The given splits are used." in data.notes
    only_two = read_data(image_folder(tmp_path / "two", splits=("train", "test")))
    assert sizes(only_two) == (24, 6, 30)
    assert any("validation split is a fifth of the training" in note for note in only_two.notes)


def test_classes_may_be_called_as_splits_are(tmp_path: Path) -> None:
    assert read_data(image_folder(tmp_path, labels=("car", "train"))).classes == ("car", "train")


def test_any_size_and_mode_becomes_the_size_that_is_asked_for(tmp_path: Path) -> None:
    image_folder(tmp_path)
    image(1, 1, (40, 50), mode="RGB").save(tmp_path / "dog" / "a.jpg")
    Image.fromarray(np.full((9, 9), 40_000, dtype=np.uint16)).save(tmp_path / "cat" / "sixteen.png")
    image(2, 2).convert("P").save(tmp_path / "owl" / "palette.png")
    image(2, 2, mode="RGB").convert("RGBA").save(tmp_path / "owl" / "alpha.png")
    data = read_data(tmp_path, ReadOptions(image_size=(5, 7)))
    assert data.x.shape == (34, 3, 5, 7)
    step = {"step": "image", "channels": 3, "size": [5, 7], "limits": [0.0, 65535.0]}
    assert data.steps == (step,)
    sixteen = [x for x in data.x if x.min() == x.max()]
    assert [int(x[0, 0, 0]) for x in sixteen] == [40_000 >> 8]


def test_images_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(5):
            turned = image(number, 1, size=(6, 8))
            exif = turned.getexif()
            exif[0x0112] = 6
            turned.save(tmp_path / label / f"{number}.png", exif=exif)
    data = read_data(tmp_path)
    assert data.x.shape == (10, 1, 8, 6)
    assert np.array_equal(data.x[0][0], np.rot90(np.asarray(image(0, 1, size=(6, 8))), -1))


def test_files_that_are_no_images_are_left_out_and_told(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("about cats")
    (tmp_path / "cat" / ".hidden.png").write_text("none")
    (tmp_path / ".cache").mkdir()
    data = read_data(tmp_path)
    assert len(data.y) == 30
    assert "Files that are not images were left out: 1, such as notes.txt." in data.notes


def test_images_that_do_not_fit_in_memory_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = image_folder(tmp_path / "images"), tmp_path / "cache"
    options = {"cache": cache, "max_memory_mb": 0.001}
    plain = read_data(folder)
    first = read_data(folder, ReadOptions(**options))
    assert isinstance(first.x, MappedArray)
    assert np.array_equal(first.x[np.arange(30)], plain.x[np.arange(30)])
    with monkeypatch.context() as patch:
        patch.setattr("nas_env.sources._images.decode", None)
        again = read_data(folder, ReadOptions(**options))
    assert np.array_equal(again.x[np.arange(30)], plain.x[np.arange(30)])
    image(5, 0).save(folder / "cat" / "0.png")
    changed = read_data(folder, ReadOptions(**options))
    assert not np.array_equal(changed.x[np.arange(30)], plain.x[np.arange(30)])


def test_a_temporary_folder_goes_away_with_the_data(tmp_path: Path) -> None:
    data: Any = read_data(image_folder(tmp_path), ReadOptions(max_memory_mb=0.001))
    path = data.x.path
    assert path.is_file()
    del data
    assert not path.exists()


# ---- archives ----


@pytest.mark.parametrize("kind", ["zip", "gztar", "tar"])
def test_archives_of_images_are_the_same_data(kind: str, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "deep" / "images", splits=("train", "test"))
    packed = shutil.make_archive(str(tmp_path / "mine"), kind, folder.parent)
    data, plain = read_data(packed), read_data(folder)
    assert data.kind == "image-folder in an archive"
    assert np.array_equal(pixels(data, "test"), pixels(plain, "test"))
    assert data.classes == plain.classes


def test_an_archive_may_hold_a_table(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "mine.csv", index=False)
    with tarfile.open(tmp_path / "mine.tgz", "w:gz") as archive:
        archive.add(tmp_path / "mine.csv", "mine.csv")
    assert read_data(tmp_path / "mine.tgz").classes == ("no", "yes")


def test_photographs_as_jpeg_files_make_a_task(tmp_path: Path) -> None:
    path = SHARED / "cifar10_jpeg_12k.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    with np.load(path) as file:
        offsets, jpeg, y = file["offset_test"], file["jpeg_test"].tobytes(), file["y_test"]
    for number in range(200):
        folder = tmp_path / f"class-{y[number]}"
        folder.mkdir(exist_ok=True)
        begin, end = offsets[number : number + 2]
        (folder / f"{number}.jpg").write_bytes(jpeg[begin:end])
    task = own_data(tmp_path)
    assert task.spec.input_shape == (3, 32, 32)
    assert task.spec.num_outputs == 10
    means = task.mean.ravel() / 255
    np.testing.assert_allclose(means, (0.488, 0.481, 0.447), atol=0.05)  # of all 12,000
