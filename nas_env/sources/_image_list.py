"""Images that are opened one by one, with messages that name all that cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from nas_env.errors import InvalidDataError, MissingDependencyError
from nas_env.extras import require
from nas_env.sources.image_encoding import decode, has_alpha

GREY = ("1", "L", "LA", "La", "I", "F")  # and those of 16 bits
REDUCED = ("16B", "16L", "16N")  # Pillow's raw modes with 16 bits, by byte order
ORIENTATION = 0x0112  # EXIF tag; values >= 5 swap width and height
SHOWN = 20  # unreadable images in a message
REMEDY = "or leave them out with skip_bad_files=True (--skip-bad-files)"
T = TypeVar("T")


class Look(NamedTuple):
    """What the header of an image says.

    Attributes:
        size: (height, width), after rotation by the EXIF orientation.
        colour: Whether the image has colour.
        alpha: Whether pixels may be transparent.
        deep: Whether it has one channel of 16 or 32 bits.
        reduced: Whether Pillow reduces its channels from 16 to 8 bits.
        frames: Number of frames or pages.
    """

    size: tuple[int, int]
    colour: bool
    alpha: bool
    deep: bool
    reduced: bool
    frames: int


@dataclass(frozen=True)
class ImageList:
    """Images that are opened when they are needed.

    Attributes:
        source: Description of the images, for messages.
        count: Number of images.
        opened: Opens the PIL image with a number.
        name: Returns the name of an image, for messages.
        closing: Whether images are closed after use; False if they belong to someone else.
    """

    source: str
    count: int
    opened: Callable[[int], Any]
    name: Callable[[int], str]
    closing: bool = True

    def __len__(self) -> int:
        return self.count

    def looks(self) -> list[Look]:
        """Return what the headers of all images say."""
        return [self.each(number, look_at) for number in range(self.count)]

    def each(self, number: int, act: Callable[[Any], T]) -> T:
        """Return `act` of an image.

        Raises:
            InvalidDataError: The image cannot be read; the message names all such images.
        """
        try:
            return self._act(number, act)
        except (MemoryError, MissingDependencyError):
            raise
        except Exception as error:  # Pillow's readers raise OSError, SyntaxError, ValueError, ...
            reasons = self.unreadable() or {number: str(error)}
            named = {self.name(bad): reason for bad, reason in reasons.items()}
            raise unreadable_error(self.source, named) from None

    def unreadable(self) -> dict[int, str]:
        """Return number and reason of each image that cannot be read; decodes all of them."""
        reasons: dict[int, str] = {}
        for number in range(self.count):
            try:
                self._act(number, check)
            except MemoryError:
                raise
            except Exception as error:
                reasons[number] = str(error)
        return reasons

    def _act(self, number: int, act: Callable[[Any], T]) -> T:
        with _quiet():
            image = self.opened(number)
            try:
                return act(image)
            finally:
                if self.closing:
                    image.close()


def pil() -> Any:
    """Return the module `PIL.Image`.

    Raises:
        MissingDependencyError: Pillow is not installed.
    """
    require("Images need", "data", "PIL")
    from PIL import Image

    return Image


def look_at(image: Any) -> Look:
    """Return what the header of an image says."""
    width, height = image.size
    deep, colour, alpha = image.mode[0] in "IF", has_colour(image), has_alpha(image)
    raw = [str(tile[3]) for tile in getattr(image, "tile", ())]
    reduced = not deep and any(mode in text for text in raw for mode in REDUCED)
    if image.getexif().get(ORIENTATION, 1) >= 5:  # this may decode the image
        width, height = height, width
    layers = getattr(image, "format", "") == "PSD"  # its first frame holds all layers
    frames = 1 if layers else getattr(image, "n_frames", 1)
    return Look((height, width), colour, alpha, deep, reduced, frames)


def has_colour(image: Any) -> bool:
    """Return whether a PIL image is not grey, judged by its mode."""
    return image.mode not in GREY and not image.mode.startswith("I;16")


def check(image: Any) -> None:
    """Raise an error if an image cannot be decoded."""
    look_at(image)
    width, height = image.size
    decode(image, "RGB", width, height, limits=(0.0, 1.0))


def unreadable_error(
    source: str, reasons: Mapping[str, str], how: str = " as an image"
) -> InvalidDataError:
    """Return the error for images, or samples of another kind, that cannot be read.

    Args:
        source: Description of the data.
        reasons: The reason for the name of each image.
        how: As what they cannot be read.
    """
    listed = [f"{name} ({reason})" for name, reason in reasons.items()]
    if len(listed) == 1:
        name, reason = next(iter(reasons.items()))
        return InvalidDataError(
            f"{name}: cannot be read{how} ({reason}). Remove or replace it, {REMEDY}."
        )
    more = f"; and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return InvalidDataError(
        f"{source}: {len(listed)} images or samples cannot be read: "
        f"{'; '.join(listed[:SHOWN])}{more}. Remove or replace them, {REMEDY}."
    )


def skipped_note(names: list[str], what: str = "Images") -> tuple[str, ...]:
    """Return a note that lists everything that was left out because it cannot be read."""
    if not names:
        return ()
    return (f"{what} that cannot be read were left out: {len(names)}: {', '.join(names)}.",)


@contextmanager
def _quiet() -> Iterator[None]:
    """Ignore warnings, which are about damaged metadata that are not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
