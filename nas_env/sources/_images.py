"""From image files and objects to uint8 arrays (channels, height, width)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.extras import require
from nas_env.sources.base import Encoded, ReadOptions
from nas_env.sources.encoding import decode
from nas_env.sources.storage import ArrayLike

GREY = ("1", "L", "LA", "I;16", "I;16L", "I;16B")
DEEP = ("16B", "16L", "16N")  # of what Pillow decodes from: numbers of 16 bits, by byte order
ORIENTATION = 0x0112  # of EXIF; from 5 on, width and height change places
Open = Callable[[int], Any]  # the number of an image to a PIL image, opened anew


class Look(NamedTuple):
    """What the headers of images say: (height, width), and whether there is colour and 16 bits."""

    size: tuple[int, int]
    colour: bool
    deep: bool


def pil() -> Any:
    """Return the module `PIL.Image`.

    Raises:
        MissingDependencyError: Pillow is not installed.
    """
    require("Images need", "data", "PIL")
    from PIL import Image

    return Image


def encode_images(
    source: str,
    count: int,
    opened: Open,
    name: Callable[[int], str],
    options: ReadOptions,
    cached_as: str = "images",
) -> Encoded:
    """Return images (count, channels, height, width) uint8, decoded once.

    Args:
        source: What they are, for messages.
        count: How many.
        opened: Opens one.
        name: Names one, for messages.
        options: The size they get, and where they lie.
        cached_as: Name of the file they lie in where they do not fit in memory; equal names hold
            equal images.

    Raises:
        InvalidDataError: One cannot be read, or sizes differ and no size was given.
    """
    looks = [_guarded(_look, opened, number, name) for number in range(count)]
    size = options.size or _common_size(source, looks, name)
    colour = any(look.colour for look in looks)
    channels = 3 if colour else 1
    shape = (count, channels, *size)
    steps = (image_step(channels, size),)
    notes = deep_note(sum(look.deep for look in looks))
    kept = options.storage.kept(cached_as)
    if kept is not None and kept.shape == shape:
        return Encoded(kept, steps, notes=notes)

    def decoded(image: Any, number: int) -> NDArray[np.uint8]:
        return pixels(image, size, colour)

    x = options.storage.allocate(source, shape, np.uint8, cached_as)
    for number in range(count):
        x[number] = _guarded(decoded, opened, number, name)
    made: ArrayLike = options.storage.finish(x, cached_as)
    return Encoded(made, steps, notes=notes)


def image_step(channels: int, size: tuple[int, int]) -> dict[str, Any]:
    """Return what `pixels` does, as a step of plain data."""
    return {"step": "image", "channels": channels, "size": list(size)}


def is_deep(image: Any) -> bool:
    """Return whether a PIL image, or the file that it is not decoded from yet, has 16 bits."""
    raw = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return image.mode.startswith("I;16") or any(x in text for text in raw for x in DEEP)


def deep_note(count: int) -> tuple[str, ...]:
    """Return what is told of so many images of 16 bits; nothing where there are none."""
    return (f"Images of 16 bits a channel keep the upper 8: {count}.",) if count else ()


def pixels(image: Any, size: tuple[int, int], colour: bool) -> NDArray[np.uint8]:
    """Return (channels, height, width) of a PIL image, see `nas_env.sources.encoding.decode`."""
    height, width = size
    decoded = np.asarray(decode(image, "RGB" if colour else "L", width, height), dtype=np.uint8)
    return decoded.transpose(2, 0, 1) if colour else decoded[None]


def _look(image: Any, number: int) -> Look:
    width, height = image.size
    deep = is_deep(image)  # before metadata are asked for, which may decode it
    if image.getexif().get(ORIENTATION, 1) >= 5:
        width, height = height, width
    return Look((height, width), image.mode not in GREY, deep)


def _guarded(act: Callable[[Any, int], Any], opened: Open, number: int, name: Any) -> Any:
    """Return what is done with one image; what goes wrong names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which nobody reads
            image = opened(number)
            try:
                return act(image, number)
            finally:
                image.close()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise OSError, SyntaxError, ValueError, ...
        raise InvalidDataError(
            f"{name(number)}: cannot be read as an image ({error}). Remove or replace it."
        ) from None


def _common_size(source: str, looks: Sequence[Look], name: Callable[[int], str]) -> tuple[int, int]:
    counts = Counter(look.size for look in looks)
    if len(counts) > 1:
        (most, _), (other, _) = counts.most_common(2)
        odd = next(number for number, look in enumerate(looks) if look.size != most)
        other = looks[odd].size
        even = next(number for number, look in enumerate(looks) if look.size == most)
        side = 32 if min(most) >= 32 else min(most)
        raise InvalidDataError(
            f"{source}: images have {len(counts)} sizes: {name(even)} is {most[0]}x{most[1]}, "
            f"{name(odd)} is {other[0]}x{other[1]}. Say which size all get: image_size={side} "
            f"(--image-size {side})."
        )
    return looks[0].size
