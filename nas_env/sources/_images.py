"""Decodes image files and objects to uint8 arrays (channels, height, width)."""

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
DEEP = ("16B", "16L", "16N")  # Pillow's raw modes with 16 bits, by byte order
ORIENTATION = 0x0112  # EXIF tag; values >= 5 swap width and height
Open = Callable[[int], Any]  # opens the PIL image with the given number


class Look(NamedTuple):
    """Header of an image: (height, width), and whether it has colour and 16 bits per channel."""

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
    """Decode all images once to (count, channels, height, width) uint8.

    Args:
        source: Description of the images, for messages.
        count: Number of images.
        opened: Opens an image.
        name: Returns the name of an image, for messages.
        options: Image size and storage.
        cached_as: Name of the cache file, used if the images do not fit in memory. Equal names must
            mean equal images.

    Raises:
        InvalidDataError: An image cannot be read, or sizes differ and no size is given.
    """
    looks = [_guarded(_look, opened, number, name) for number in range(count)]
    size = options.size or _common_size(source, looks, name)
    colour = any(look.colour for look in looks)
    channels = 3 if colour else 1
    shape = (count, channels, *size)
    steps = (image_step(channels, size),)
    notes = deep_note(sum(look.deep for look in looks))
    cached = options.storage.kept(cached_as)
    if cached is not None and cached.shape == shape:
        return Encoded(cached, steps, notes=notes)

    def decoded(image: Any, number: int) -> NDArray[np.uint8]:
        return pixels(image, size, colour)

    x = options.storage.allocate(source, shape, np.uint8, cached_as)
    for number in range(count):
        x[number] = _guarded(decoded, opened, number, name)
    finished: ArrayLike = options.storage.finish(x, cached_as)
    return Encoded(finished, steps, notes=notes)


def image_step(channels: int, size: tuple[int, int]) -> dict[str, Any]:
    """Return the operation of `pixels` as a step of plain data."""
    return {"step": "image", "channels": channels, "size": list(size)}


def is_deep(image: Any) -> bool:
    """Return whether a PIL image, or its file if not yet decoded, has 16 bits per channel."""
    raw = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return image.mode.startswith("I;16") or any(x in text for text in raw for x in DEEP)


def deep_note(count: int) -> tuple[str, ...]:
    """Return a note on the number of 16-bit images, or nothing if there are none."""
    return (f"16-bit images, reduced to the upper 8 bits per channel: {count}.",) if count else ()


def pixels(image: Any, size: tuple[int, int], colour: bool) -> NDArray[np.uint8]:
    """Return a PIL image as (channels, height, width); see `nas_env.sources.encoding.decode`."""
    height, width = size
    decoded = np.asarray(decode(image, "RGB" if colour else "L", width, height), dtype=np.uint8)
    return decoded.transpose(2, 0, 1) if colour else decoded[None]


def _look(image: Any, number: int) -> Look:
    width, height = image.size
    deep = is_deep(image)  # must come before getexif, which may decode the image
    if image.getexif().get(ORIENTATION, 1) >= 5:
        width, height = height, width
    return Look((height, width), image.mode not in GREY, deep)


def _guarded(act: Callable[[Any, int], Any], opened: Open, number: int, name: Any) -> Any:
    """Return `act` of one image; errors name the image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged metadata, which is not used
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
            f"{name(odd)} is {other[0]}x{other[1]}. Set one size for all: image_size={side} "
            f"(--image-size {side})."
        )
    return looks[0].size
