"""Transparent, animated and rotated images, in all formats that Pillow writes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas_env.sources import DataSet, read_data
from nas_env.sources.image_encoding import decode, has_alpha
from tests.support.made_data import Pairs

WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
KEYS: dict[str, Any] = {"1": 0, "L": 7, "P": 0, "RGB": (7, 7, 7), "I;16": 7}  # transparent colours
SIDES = (32, 16)
LOSSLESS = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}


@cache
def written(kind: str, mode: str, side: int, colour: bool = False) -> bytes:
    """Return a file of a format: dark shapes on transparency; empty if Pillow cannot write it."""
    image = drawing(mode, side, 0, colour)
    settings: dict[str, Any] = dict(LOSSLESS.get(kind, {}))
    if mode in KEYS:
        settings["transparency"] = KEYS[mode]
    stream = io.BytesIO()
    try:
        image.save(stream, kind, **settings)
        stream.seek(0)
        kept = Image.open(stream)
        alpha = has_alpha(kept)
        kept.load()
        return stream.getvalue() if alpha and kept.size == (side, side) else b""
    except Exception:  # what a format cannot hold shows as OSError, KeyError, SystemError, ...
        return b""


def visible(side: int, place: int) -> NDArray[np.bool_]:
    """Return which pixels of a drawing are not transparent."""
    mask = np.zeros((side, side), bool)
    mask[2 + place % 3 : side // 2 + place % 3, 3 : side // 2] = True
    return mask


def drawing(mode: str, side: int, place: int, colour: bool = False) -> Image.Image:
    """Return an image with a dark shape, and with one value where it is transparent."""
    mask = visible(side, place)
    shown = (90, 30, 0) if colour else (0, 0, 0)
    if mode == "1":
        return Image.fromarray(mask)  # white shapes; the colour 0 is transparent
    if mode == "P":
        image = Image.fromarray(mask.astype(np.uint8)).convert("P")
        image.putpalette([9, 9, 9, *shown])
        return image
    if mode == "I;16":
        return Image.fromarray(np.where(mask, 0, 7).astype(np.uint16))
    if mode in ("L", "RGB"):
        grey = Image.fromarray(np.where(mask, 0, 7).astype(np.uint8))
        return grey if mode == "L" else Image.merge("RGB", [grey] * 3)
    pixels = np.zeros((side, side, 4), np.uint8)  # black where nothing is seen
    pixels[mask] = (*shown, 255)
    rgba = Image.fromarray(pixels)
    if mode == "PA":
        palette = rgba.convert("RGB").quantize(4).convert("PA")
        palette.putalpha(rgba.getchannel("A"))
        return palette
    return rgba.convert("LA").convert(mode) if mode == "La" else rgba.convert(mode)


def formats() -> Iterator[tuple[str, str]]:
    Image.init()
    for kind, mode in itertools.product(sorted(Image.SAVE), (*WITH_ALPHA, *KEYS)):
        if written(kind, mode, SIDES[0]):
            yield kind, mode


FORMATS = list(formats())


def test_the_formats_that_every_machine_writes_are_tried() -> None:
    png = {("PNG", mode) for mode in ("LA", "RGBA", "1", "L", "P", "RGB", "I;16")}
    others = {("TIFF", "RGBA"), ("WEBP", "RGBA"), ("GIF", "P"), ("TGA", "LA"), ("TIFF", "PA")}
    assert {*png, *others} <= set(FORMATS)
    assert len(FORMATS) >= 20


@pytest.mark.parametrize(("kind", "mode"), FORMATS)
@pytest.mark.parametrize("side", SIDES)
def test_what_is_transparent_becomes_white(kind: str, mode: str, side: int, tmp_path: Path) -> None:
    content = written(kind, mode, side) or pytest.skip(f"{kind} has no images of {side} pixels")
    for label, number in itertools.product("ab", range(5)):
        path = tmp_path / label / f"{number}.{kind.lower()}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    data = read_data(tmp_path)
    mask = visible(side, 0)
    drawn = 255 if mode == "1" else 0
    slack = 3 if kind == "AVIF" else 0
    if mode == "1":  # white on nothing: on white it would be lost
        assert data.steps[0]["background"] == 0
        expected = np.where(mask, drawn, 0)
    else:
        assert "background" not in data.steps[0]
        expected = np.where(mask, 0, 255)
    for channel in data.x[0]:
        assert np.abs(channel.astype(int) - expected).max() <= slack
    on = "black, because 6 training images would be nearly uniform on white" if drawn else "white"
    assert f"Images with transparent pixels: 10. They are composed on {on}." in data.notes


@pytest.mark.parametrize("mode", [*WITH_ALPHA, "P"])
@pytest.mark.parametrize("background", [255, 0, 128])
@pytest.mark.parametrize("wanted", ["L", "RGB"])
def test_half_transparent_pixels_are_mixed(mode: str, background: int, wanted: str) -> None:
    alpha = np.arange(0, 256, 5, dtype=np.uint8)[None].repeat(3, axis=0)
    grey = np.array([[0], [60], [255]], np.uint8).repeat(alpha.shape[1], axis=1)
    if mode in ("PA", "P"):
        image = Image.fromarray(grey).convert("P" if mode == "P" else "PA")
        if mode == "P":
            image.info["transparency"] = bytes([3, *[200] * 254, 40])
            alpha = np.array([[3], [200], [40]], np.uint8).repeat(alpha.shape[1], axis=1)
        else:
            image.putalpha(Image.fromarray(alpha))
    else:
        pair = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
        image = pair.convert("La" if mode == "La" else "RGBA")
        image = image.convert(mode) if mode in ("LA", "RGBa") else image
    share = alpha / 255
    expected = share * grey + (1 - share) * background
    mixed = decode(image, wanted, *image.size, background)
    assert mixed.mode == wanted
    for band in mixed.split():
        slack = 2 if mode in ("La", "RGBa") else 1  # premultiplied by Pillow, in 8 bits
        visible_enough = alpha >= 64 if mode in ("La", "RGBa") else alpha >= 0
        off = np.abs(np.asarray(band) - expected)
        assert off[visible_enough].max() <= slack
        assert (np.asarray(band)[alpha == 0] == background).all()


@pytest.mark.parametrize(
    ("greys", "background", "note"),
    [
        ((0, 90), 255, "They are composed on white."),
        ((255, 250), 0, "They are composed on black, because 12 training images would be nearly"),
        ((255, 0), 128, "They are composed on mid-grey, because 6 training images would be"),
    ],
)
@pytest.mark.parametrize("source", ["folder", "torch", "hugging face"])
def test_drawings_stay_visible_on_the_background(
    greys: tuple[int, int], background: int, note: str, source: str, tmp_path: Path
) -> None:
    images, labels = [], []
    for label, number in itertools.product(range(2), range(10)):
        pixels = np.zeros((16, 16, 4), np.uint8)
        mask = visible(16, number)
        pixels[mask] = (*[greys[label]] * 3, 255)
        images.append(Image.fromarray(pixels))
        labels.append(label)
    data = read_data(given(images, labels, source, tmp_path))
    assert data.steps[0].get("background", 255) == background
    for row, label in enumerate(labels):
        expected = np.where(visible(16, row % 10), greys[label], background)
        assert np.array_equal(data.x[row][0], expected)
    assert any(note in x for x in data.notes)


def test_an_opaque_alpha_channel_changes_nothing_and_is_not_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).convert("RGBA")
        for _ in range(20)
    ]
    data = read_data(given(images, [0] * 10 + [1] * 10, "folder", tmp_path))
    for row, image in enumerate(images):
        assert np.array_equal(data.x[row].transpose(1, 2, 0), np.asarray(image)[..., :3])
    assert not any("transparent" in note for note in data.notes)


def given(images: list[Any], labels: list[int], source: str, folder: Path) -> Any:
    """Return images as data of a source; they are in the order of their labels."""
    if source == "torch":
        return Pairs(images, labels)
    suffix = "png" if images[0].mode in ("RGBA", "LA") else "tiff"
    by_class: dict[int, int] = {}
    for image, label in zip(images, labels, strict=True):
        path = folder / str(label) / f"{by_class.setdefault(label, 0):03}.{suffix}"
        by_class[label] += 1
        path.parent.mkdir(exist_ok=True)
        image.save(path)
    if source == "folder":
        return folder
    datasets = pytest.importorskip("datasets")
    paths = sorted(map(str, folder.rglob(f"*.{suffix}")))
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    return datasets.Dataset.from_dict({"image": paths, "label": labels}, features)


# ---- frames ----


def animated() -> Iterator[str]:
    Image.init()
    for kind in sorted(Image.SAVE_ALL):
        stream = io.BytesIO()
        try:
            first, *rest = frames()
            first.save(stream, kind, save_all=True, append_images=rest)
            stream.seek(0)
            if getattr(Image.open(stream), "n_frames", 1) == 3:
                yield kind
        except Exception:  # such as PDF, which Pillow writes and does not read
            continue


def frames() -> list[Image.Image]:
    return [Image.fromarray(np.full((32, 32, 3), grey, np.uint8)) for grey in (60, 130, 220)]


ANIMATED = list(animated())


@pytest.mark.parametrize("kind", ANIMATED)
def test_the_first_of_several_frames_is_used_and_told(kind: str, tmp_path: Path) -> None:
    assert {"GIF", "TIFF", "PNG"} <= set(ANIMATED)
    first, *rest = frames()
    for label, number in itertools.product("ab", range(5)):
        path = tmp_path / label / f"{number}.{kind.lower()}"
        path.parent.mkdir(exist_ok=True)
        if number < 3:
            first.save(path, kind, save_all=True, append_images=rest)
        else:
            first.save(path, kind)
    data: DataSet = read_data(tmp_path)
    assert np.abs(data.x[:].astype(int) - 60).max() <= 2
    name = tmp_path / "a" / f"0.{kind.lower()}"
    assert (
        f"Images with several frames or pages: 6, such as {name} with 3. Only the first frame of "
        "each is used." in data.notes
    )


# ---- rotation ----


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("source", ["torch", "folder"])
def test_images_are_rotated_by_their_exif_data(
    orientation: int, source: str, tmp_path: Path
) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(8, 6) * 5
    exif = Image.Exif()
    exif[0x0112] = orientation
    for label, number in itertools.product("ab", range(5)):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / label / f"{number}.png", exif=exif)
    paths = sorted(tmp_path.rglob("*.png"))
    images = [Image.open(path) for path in paths]
    labels = [path.parent.name for path in paths]
    data = read_data(Pairs(images, labels) if source == "torch" else tmp_path)
    turns: dict[int, Any] = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].T,
        8: np.rot90(pixels),
    }
    for x in data.x:
        assert np.array_equal(x[0], turns[orientation])
