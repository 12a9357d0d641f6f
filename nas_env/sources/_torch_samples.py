"""Reads the samples of map-style data sets of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources._image_list import ImageList, Look, check, look_at, unreadable_error
from nas_env.sources._image_survey import Survey, survey
from nas_env.sources._images import image_step, pixels
from nas_env.sources.base import Encoded, ReadOptions
from nas_env.sources.storage import ArrayLike


class TorchSamples:
    """The samples of data sets, one data set after the other.

    Samples are read once. Images of 16 bits and transparent images are read again by `encode`,
    because their encoding depends on the training split.

    Args:
        source: Description of the data, for messages.
        parts: A map-style data set for each name of a split; "" if there are no splits.
        options: Image size and storage.

    Raises:
        InvalidDataError: There are no samples.
    """

    def __init__(self, source: str, parts: Mapping[str, Any], options: ReadOptions) -> None:
        self.source, self.options = source, options
        self.names, self.datasets = list(parts), list(parts.values())
        self.rows = [(k, index) for k, x in enumerate(self.datasets) for index in range(len(x))]
        if not self.rows:
            raise InvalidDataError(f"{source}: is empty. At least a few samples are needed.")
        self.x: Any = None  # (n, *shape)
        self.looks: dict[int, Look] = {}  # of the images, by row
        self.channels = 0  # of images; 0 if samples are arrays

    def where(self, row: int) -> str:
        """Return the name of a sample, for messages."""
        part, index = self.rows[row]
        return f"sample {index}" + (f" of {self.names[part]}" if self.names[part] else "")

    def leave_out_unreadable(self) -> list[str]:
        """Leave out samples that cannot be read, and return their names."""
        bad = self._unreadable()
        names = [self.where(row) for row in bad]
        self.rows = [place for row, place in enumerate(self.rows) if row not in bad]
        if not self.rows:
            raise InvalidDataError(f"{self.source}: no sample can be read. Give other data.")
        return names

    def read(self) -> NDArray[Any]:
        """Read all samples, and return their targets (n,)."""
        targets = []
        for row in range(len(self.rows)):
            raw, target = self._pair(row)
            sample = self._image(row, raw) if _is_image(raw) else self._array(row, raw)
            self._keep(row, sample)
            targets.append(target)
        return np.array(targets)

    def encode(self, train: NDArray[np.int64]) -> Encoded:
        """Return the samples; decode the images that depend on the training split."""
        if not self.channels:
            return Encoded(self.options.storage.finish(self.x))
        size = self.x.shape[2:]
        numbers = list(self.looks)
        images = ImageList(
            self.source,
            len(numbers),
            lambda number: self._pair(numbers[number])[0],
            lambda number: f"{self.source}: {self.where(numbers[number])}",
            closing=False,
        )
        looks = list(self.looks.values())
        fitted = np.flatnonzero(np.isin(numbers, train))
        surveyed = survey(images, looks, fitted)
        step = image_step(self.channels, size, surveyed)
        for number, look in enumerate(looks):
            if look.alpha or look.deep:
                image = images.each(number, lambda image: pixels(image, step))
                self.x[numbers[number]] = image
        finished: ArrayLike = self.options.storage.finish(self.x)
        return Encoded(finished, (step,), notes=surveyed.notes)

    def _keep(self, row: int, sample: NDArray[Any]) -> None:
        """Write a sample to the array of all samples."""
        place = f"{self.source}: {self.where(row)}"
        if self.x is None:
            dtype = np.uint8 if sample.dtype == np.uint8 else np.float32
            shape = (len(self.rows), *sample.shape)
            self.x = self.options.storage.allocate(self.source, shape, dtype)
        if self.x.dtype == np.uint8 and sample.dtype != np.uint8:
            raise InvalidDataError(
                f"{place} holds {sample.dtype}, but the first sample holds uint8, which cannot "
                "hold other values than integers from 0 to 255. Give all samples one number type."
            )
        if sample.shape != self.x.shape[1:]:
            raise InvalidDataError(
                f"{place} has shape {sample.shape}, but the first sample has {self.x.shape[1:]}. "
                "Make the shapes equal, for example with image_size or a transform."
            )
        self.x[row] = sample
        if not np.isfinite(self.x[row]).all():
            raise InvalidDataError(f"{place} holds NaN or infinity. Remove or fill it.")

    def _pair(self, row: int) -> tuple[Any, Any]:
        """Return a sample and its target."""
        part, index = self.rows[row]
        place = f"{self.source}: {self.where(row)}"
        try:
            item = self.datasets[part][index]
        except (MemoryError, InvalidDataError):
            raise
        except Exception as error:  # from the user's code, or a reader of files
            raise self._error(row, error) from None
        try:
            sample, target = item
            target = target.item() if hasattr(target, "item") else target
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidDataError(
                f"{place}: is not a pair of a sample and one target ({error}). Return (x, y) from "
                "__getitem__, where y is an integer, a text or a number."
            ) from None
        if not isinstance(target, str | int | float):
            raise InvalidDataError(
                f"{place}: its target is a {type(target).__name__}. Return one integer, text or "
                "number."
            )
        return sample, target

    def _image(self, row: int, image: Any) -> NDArray[np.uint8]:
        """Return an image as (channels, height, width); empty if `encode` decodes it."""
        try:
            look = self.looks[row] = look_at(image)
            size, channels = self.options.size or look.size, 3 if look.colour else 1
            self.channels = self.channels or channels
            if look.alpha or look.deep:
                return np.zeros((channels, *size), np.uint8)
            return pixels(image, image_step(channels, size, Survey()))
        except MemoryError:
            raise
        except Exception as error:  # Pillow's readers raise OSError, SyntaxError, ...
            raise self._error(row, error) from None

    def _array(self, row: int, sample: Any) -> NDArray[Any]:
        """Return an array as (features,) or (channels, height, width)."""
        place = f"{self.source}: {self.where(row)}"
        x = np.asarray(sample)
        if self.options.size is not None and x.shape[-2:] != self.options.size:
            raise InvalidDataError(
                f"{place}: is an array of shape {x.shape}; image_size={self.options.size} resizes "
                "only PIL images. Resize it with a transform."
            )
        if x.ndim == 2:
            x = x[None]
        if x.ndim not in (1, 3) or x.dtype.kind not in "iufb" or 0 in x.shape:
            raise InvalidDataError(
                f"{place}: has shape {x.shape} and type {x.dtype}. Needed: numbers (features,), "
                "(height, width) or (channels, height, width), or a PIL image."
            )
        return x

    def _unreadable(self) -> dict[int, str]:
        """Return row and reason of each sample that cannot be read; reads all of them."""
        reasons: dict[int, str] = {}
        for row, (part, index) in enumerate(self.rows):
            try:
                item = self.datasets[part][index]
                if isinstance(item, tuple | list) and item and _is_image(item[0]):
                    check(item[0])
            except MemoryError:
                raise
            except Exception as error:
                reasons[row] = str(error)
        return reasons

    def _error(self, row: int, error: Exception) -> InvalidDataError:
        """Return the error that names all samples that cannot be read."""
        reasons = self._unreadable() or {row: str(error)}
        named = {f"{self.source}: {self.where(bad)}": why for bad, why in reasons.items()}
        return unreadable_error(self.source, named, "")


def _is_image(sample: Any) -> bool:
    return isinstance(getattr(sample, "mode", None), str)  # of PIL
