"""Images of 16 and 32 bits: scaled by the range of the training split, here and when exported."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidDataError
from nas_env.export import write_source
from nas_env.sources import ReadOptions, preprocessing, read_data
from nas_env.sources.storage import MappedArray
from nas_env.tasks import TaskSpec
from tests.support.made_data import Pairs

DEEP = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I": "<i4", "F": "<f4"}
RANGES = ((100, 220), (0, 65535), (30_000, 30_010), (2, 255))


def deep_images(
    mode: str, low: int, high: int, count: int = 20, size: tuple[int, int] = (5, 6)
) -> list[Image.Image]:
    """Return images with values from low to high, both of which occur in each."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(count):
        values = rng.integers(low, high + 1, size[::-1])
        values[0, :2] = low, high
        images.append(Image.frombytes(mode, size, values.astype(DEEP[mode]).tobytes()))
    return images


def scaled(image: Image.Image, low: float, high: float) -> NDArray[np.int64]:
    values = np.asarray(image.convert("F"), dtype=np.float64)
    return np.clip(np.floor((values - low) * 255 / (high - low) + 0.5), 0, 255).astype(int)


@pytest.mark.parametrize("mode", DEEP)
@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("size", [None, (4, 7)])
def test_values_of_16_bits_are_scaled_by_the_range_of_the_training_split(
    mode: str, low: int, high: int, size: Any
) -> None:
    images = deep_images(mode, low, high)
    data = read_data(Pairs(images, [0, 1] * 10), ReadOptions(image_size=size))
    (step,) = data.steps
    assert step["limits"] == [low, high]
    if size is None:
        for row, image in enumerate(images):
            assert np.array_equal(data.x[row][0], scaled(image, low, high))
    rows = data.rows["train"]
    before = len(np.unique([np.asarray(images[row].convert("F")) for row in rows]))
    after = len(np.unique([scaled(images[row], low, high) for row in rows]))
    told = f"Grey images of 16 or 32 bits: 20. Their values from {low} to {high} (the range of the "
    told += f"training split) are scaled to 0 to 255; {after} of {before} levels are left."
    assert told in data.notes
    assert after == min(before, after) >= min(before, 11)
    assert np.array_equal(preprocessing.apply(data.steps, images), np.asarray(data.x))
    assert np.array_equal(exported(step)(images).numpy(), np.asarray(data.x))


def exported(step: dict[str, Any]) -> Any:
    """Return the function `encode` of an exported file."""
    spec = TaskSpec("probe", 1, "image", (step["channels"], *step["size"]), 3)
    layers = (Layer.of("global-average-pool"),)
    text = write_source(Architecture(layers), spec, [step]).text
    names: dict[str, Any] = {"__name__": "written", "__file__": "/nowhere/network.py"}
    exec(compile(text, "network.py", "exec"), names)
    return names["encode"]


def deep_formats() -> Iterator[tuple[str, str]]:
    Image.init()
    kinds = sorted(set(Image.SAVE) - {"SPIDER"})  # which has no suffix of its own
    for kind, mode in itertools.product(kinds, DEEP):
        if mode == "I" and kind in ("PNG", "ICO", "ICNS"):  # Pillow writes I;16 instead
            continue
        stream = io.BytesIO()
        try:
            deep_images(mode, 100, 220, 1, (32, 32))[0].save(stream, kind)
            stream.seek(0)
            kept = Image.open(stream)
            if kept.mode[0] in "IF" and kept.convert("F").getextrema() == (100, 220):
                yield kind, mode
        except Exception:  # what a format cannot hold shows as OSError, KeyError, ...
            continue


DEEP_FORMATS = list(deep_formats())


def test_the_deep_formats_that_every_machine_writes_are_tried() -> None:
    assert {("PNG", "I;16"), ("TIFF", "I;16B"), ("TIFF", "F"), ("PPM", "I")} <= set(DEEP_FORMATS)


@pytest.mark.parametrize(("kind", "mode"), DEEP_FORMATS)
@pytest.mark.parametrize("limit", [None, 0.001])
def test_files_of_16_bits_keep_their_levels(
    kind: str, mode: str, limit: float | None, tmp_path: Path
) -> None:
    images = deep_images(mode, 100, 220, size=(32, 32))
    root, options = tmp_path / "images", ReadOptions(cache=tmp_path / "c", max_memory_mb=limit)
    for number, image in enumerate(images):
        path = root / "ab"[number // 10] / f"{number:02}.{kind.lower()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, kind)
    for _ in range(2):  # the second time from the cache, if they do not fit in memory
        data = read_data(root, options)
        assert isinstance(data.x, MappedArray) == (limit is not None)
        for row, image in enumerate(images):
            assert np.array_equal(data.x[np.array([row])][0, 0], scaled(image, 100, 220))
        assert data.steps[0]["limits"] == [100, 220]
        assert any("values from 100 to 220 (the range of the training" in x for x in data.notes)


def test_the_range_is_that_of_the_training_split_alone(tmp_path: Path) -> None:
    for split, high in (("train", 200), ("val", 400), ("test", 60_000)):
        for label, number in itertools.product("ab", range(3)):
            values = np.array([[100, high], [number, 150]], np.uint16)
            path = tmp_path / split / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
    data = read_data(tmp_path)
    assert data.steps[0]["limits"] == [0, 200]
    test = data.x[data.rows["test"]]
    assert np.array_equal(test[1, 0], [[128, 255], [1, 191]])


def test_a_new_image_of_16_bits_is_refused_by_a_network_of_8_bits() -> None:
    step = {"step": "image", "channels": 1, "size": [6, 5]}
    deep = deep_images("I;16", 0, 9, 1)
    with pytest.raises(ValueError, match="'I;16'; save it with 8 bits a channel"):
        preprocessing.apply([step], deep)
    with pytest.raises(ValueError, match="'I;16'; save it with 8 bits a channel"):
        exported(step)(deep)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    images = [Image.fromarray(np.full((6, 5), 3.0 * (x % 5), np.float32)) for x in range(20)]
    images[7].putpixel((4, 2), value)
    message = r"sample 7: cannot be read as an image \(a pixel is NaN or infinite"
    with pytest.raises(InvalidDataError, match=message):
        read_data(Pairs(images, [0, 1] * 10))
    data = read_data(Pairs(images, [0, 1] * 10), ReadOptions(skip_bad_files=True))
    assert len(data.y) == 19
    assert "Samples that cannot be read were left out: 1: sample 7." in data.notes
