"""Data that are easily taken for something else: refused, or told before a search begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_data import image, image_folder

from nas_env.errors import InvalidDataError
from nas_env.sources import read_data


def test_splits_beside_another_folder_are_not_taken_for_classes(tmp_path: Path) -> None:
    image_folder(tmp_path, splits=("train", "test"))
    image_folder(tmp_path, labels=("unlabelled",))
    message = r"unlabelled: is no split, but lies beside train.*Move it away, or call it one of"
    with pytest.raises(InvalidDataError, match=message):
        read_data(tmp_path)


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_images_in_no_class_are_left_out_and_told(splits: tuple[str, ...], tmp_path: Path) -> None:
    image_folder(tmp_path, splits=splits)
    image(1, 1).save(tmp_path / splits[-1] / "stray.png")
    data = read_data(tmp_path)
    assert len(data.y) == 30 * len(splits)
    assert "Images in no folder of a class were left out: 1, such as stray.png." in data.notes
