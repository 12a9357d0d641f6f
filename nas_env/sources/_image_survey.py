"""Looks at the pixels of images of 16 bits and of transparent images before they are decoded.

The range of 16-bit images and the background of transparent ones are fitted on training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources._image_list import ImageList, Look
from nas_env.sources.image_encoding import decode, eight_bits, with_alpha

BACKGROUNDS = {255: "white", 0: "black", 128: "mid-grey"}  # in the order of preference
CONTRAST = 16  # grey levels; a drawing with fewer is nearly uniform
MOST_LEVELS = 1_000_000  # different values that are counted
SIXTEEN_BITS = 65535.0
Limits = tuple[float, float]


class Survey(NamedTuple):
    """How images of 16 bits and transparent images are decoded.

    Attributes:
        background: Grey value that is shown where images are transparent.
        limits: Values of images of 16 or 32 bits that become 0 and 255; None: there are none.
        notes: What is lost, one sentence each.
    """

    background: int = 255
    limits: Limits | None = None
    notes: tuple[str, ...] = ()


def survey(images: ImageList, looks: Sequence[Look], train: NDArray[np.int64]) -> Survey:
    """Return how images are decoded.

    Args:
        images: The images.
        looks: What the header of each image says.
        train: (m,) numbers of the training images.

    Raises:
        InvalidDataError: Images of 16 bits cannot be told apart in 8 bits.
    """
    fitted = set(map(int, train))
    deep = [number for number, look in enumerate(looks) if look.deep]
    limits, deep_note = _limits(images, deep, fitted) if deep else (None, ())
    alpha = [number for number, look in enumerate(looks) if look.alpha]
    background, alpha_note = _background(images, alpha, fitted, limits)
    reduced = [number for number, look in enumerate(looks) if look.reduced]
    notes = (*deep_note, *_reduced(images, reduced, fitted), *alpha_note, *_frames(images, looks))
    return Survey(background, limits, notes)


def _limits(images: ImageList, deep: list[int], fitted: set[int]) -> tuple[Limits, tuple[str, ...]]:
    """Return the range of the training images of 16 or 32 bits, and a note on the levels left."""
    values = np.empty(0, np.float32)
    few = True  # whether all different values are known
    for number in (number for number in deep if number in fitted):
        found = images.each(number, _different)
        values = np.union1d(values, found)
        if len(values) > MOST_LEVELS:
            few, values = False, values[[0, -1]]
    low, high = (float(values[0]), float(values[-1])) if len(values) else (0.0, 0.0)
    how = "the range of the training split"
    if low == high:
        low, high, how = (
            min(low, 0.0),
            max(high, SIXTEEN_BITS),
            "as the training split has no range",
        )
    if few:
        left = len(np.unique(np.floor((values - low) * (255 / (high - low)) + 0.5)))
        levels = f"{left:,} of {len(values):,} levels are left"
    else:
        levels = f"at most 256 of more than {MOST_LEVELS:,} levels are left"
    return (low, high), (
        f"Grey images of 16 or 32 bits: {len(deep):,}. Their values from {low:g} to "
        f"{high:g} ({how}) are scaled to 0 to 255; {levels}.",
    )


def _different(image: Any) -> NDArray[np.float32]:
    """Return the different values of an image, sorted."""
    eight_bits(image, (0.0, 1.0))  # refuses NaN and infinity
    return np.unique(np.asarray(image.convert("F")))


def _reduced(images: ImageList, reduced: list[int], fitted: set[int]) -> tuple[str, ...]:
    """Return a note on images whose channels Pillow reduces to 8 bits."""
    if not reduced:
        return ()
    levels: set[int] = set()
    for number in reduced:
        levels |= set(images.each(number, _levels))
    if len(levels) == 1 and fitted <= set(reduced):
        raise InvalidDataError(
            f"{images.source}: all images with channels of 16 bits, such as "
            f"{images.name(reduced[0])}, hold a single value in their upper 8 bits, which is all "
            "that Pillow reads of them. Scale them to the range of 8 bits, or save them as grey "
            "images of 16 bits."
        )
    return (
        f"Images with several channels of 16 bits: {len(reduced):,}. Pillow reduces them to the "
        f"upper 8 bits; {len(levels)} of 256 levels are used.",
    )


def _levels(image: Any) -> list[int]:
    """Return the different values of all channels of an 8-bit image."""
    return [place % 256 for place, count in enumerate(image.histogram()) if count]


def _background(
    images: ImageList, alpha: list[int], fitted: set[int], limits: Limits | None
) -> tuple[int, tuple[str, ...]]:
    """Return the background of transparent images, and a note on it.

    It is the first one on which the fewest training images are nearly uniform.
    """
    flat = dict.fromkeys(BACKGROUNDS, 0)
    count = 0
    for number in alpha:
        transparent, uniform = images.each(number, lambda image: _composed(image, limits))
        count += transparent
        if transparent and number in fitted:
            for value in uniform:
                flat[value] += 1
    if not count:
        return 255, ()
    best = min(flat, key=lambda value: flat[value])
    note = f"Images with transparent pixels: {count:,}. They are composed on {BACKGROUNDS[best]}"
    if best != 255:
        note += f", because {flat[255]:,} training images would be nearly uniform on white"
    if flat[best]:
        note += f"; {flat[best]:,} training images are nearly uniform on it"
    return best, (f"{note}.",)


def _composed(image: Any, limits: Limits | None) -> tuple[bool, list[int]]:
    """Return whether pixels are transparent, and the backgrounds on which it is nearly uniform."""
    low, high = with_alpha(eight_bits(image, limits)).getchannel("A").getextrema()
    if low == 255:
        return False, []
    if low == high:  # the background shows through everywhere alike
        return True, []
    return True, [x for x in BACKGROUNDS if _contrast(image, x, limits) < CONTRAST]


def _contrast(image: Any, background: int, limits: Limits | None) -> int:
    """Return the largest difference of two pixels in one channel on a background."""
    width, height = image.size
    bands = decode(image, "RGB", width, height, background, limits).getextrema()
    return int(max(high - low for low, high in bands))


def _frames(images: ImageList, looks: Sequence[Look]) -> tuple[str, ...]:
    """Return a note on images with several frames or pages."""
    several = [number for number, look in enumerate(looks) if look.frames > 1]
    if not several:
        return ()
    first = several[0]
    return (
        f"Images with several frames or pages: {len(several):,}, such as {images.name(first)} with "
        f"{looks[first].frames}. Only the first frame of each is used.",
    )
