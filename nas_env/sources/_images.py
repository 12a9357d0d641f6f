"""Decodes image files and objects to uint8 arrays (channels, height, width)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import digest
from nas_env.errors import InvalidDataError
from nas_env.sources._image_list import ImageList, Look
from nas_env.sources._image_survey import Survey, survey
from nas_env.sources.base import Encoded, ReadOptions
from nas_env.sources.image_encoding import decode
from nas_env.sources.storage import ArrayLike, MappedArray


def encode_images(
    images: ImageList, options: ReadOptions, train: NDArray[np.int64], cached_as: str = "images"
) -> Encoded:
    """Decode all images once to (count, channels, height, width) uint8.

    Args:
        images: The images.
        options: Image size and storage.
        train: (m,) numbers of the training images, which fit the range of images of 16 bits.
        cached_as: Name of the cache file, used if the images do not fit in memory. Equal names must
            mean equal images.

    Raises:
        InvalidDataError: Images cannot be read, or sizes differ and no size is given.
    """
    looks = images.looks()
    size = options.size or _common_size(images, looks)
    channels = 3 if any(look.colour for look in looks) else 1
    shape = (len(images), channels, *size)
    if any(look.alpha or look.deep for look in looks):  # the pixels depend on the training split
        cached_as = f"{cached_as}-{digest([train.tolist()])[:16]}"
    cached, facts = options.storage.kept(cached_as), options.storage.kept_facts(cached_as)
    if cached is not None and cached.shape == shape and facts is not None:
        return Encoded(cached, tuple(facts["steps"]), notes=tuple(facts["notes"]))
    surveyed = survey(images, looks, train)
    step = image_step(channels, size, surveyed)
    x = options.storage.allocate(images.source, shape, np.uint8, cached_as)
    for number in range(len(images)):
        x[number] = images.each(number, lambda image: pixels(image, step))
    finished: ArrayLike = options.storage.finish(x, cached_as)
    if isinstance(finished, MappedArray):
        options.storage.keep_facts(cached_as, {"steps": [step], "notes": surveyed.notes})
    return Encoded(finished, (step,), notes=surveyed.notes)


def image_step(channels: int, size: Sequence[int], surveyed: Survey) -> dict[str, Any]:
    """Return the operation of `pixels` as a step of plain data."""
    step: dict[str, Any] = {"step": "image", "channels": channels, "size": list(size)}
    if surveyed.limits is not None:
        step["limits"] = list(surveyed.limits)
    if surveyed.background != 255:
        step["background"] = surveyed.background
    return step


def pixels(image: Any, step: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return a PIL image as (channels, height, width).

    Args:
        image: The image.
        step: A step "image"; see `nas_env.sources.preprocessing`.
    """
    height, width = step["size"]
    mode = "RGB" if step["channels"] == 3 else "L"
    decoded = decode(image, mode, width, height, step.get("background", 255), step.get("limits"))
    values = np.asarray(decoded, dtype=np.uint8)
    return values.transpose(2, 0, 1) if mode == "RGB" else values[None]


def _common_size(images: ImageList, looks: Sequence[Look]) -> tuple[int, int]:
    counts = Counter(look.size for look in looks)
    if len(counts) > 1:
        (most, _), (other, _) = counts.most_common(2)
        odd = next(number for number, look in enumerate(looks) if look.size != most)
        other = looks[odd].size
        even = next(number for number, look in enumerate(looks) if look.size == most)
        side = 32 if min(most) >= 32 else min(most)
        raise InvalidDataError(
            f"{images.source}: images have {len(counts)} sizes: {images.name(even)} is "
            f"{most[0]}x{most[1]}, {images.name(odd)} is {other[0]}x{other[1]}. Set one size for "
            f"all: image_size={side} (--image-size {side})."
        )
    return looks[0].size
