"""Encodes one image, using only Pillow.

The exporter copies the source of these functions into exported files. So this module does not
import nas_env, and the functions use no names except each other and `Any`.
"""

from typing import Any


def decode(
    image: Any,
    mode: str,
    width: int,
    height: int,
    background: int = 255,
    limits: tuple[float, float] | None = None,
) -> Any:
    """Return a PIL image in the given 8-bit mode and size, rotated by its EXIF orientation.

    What is transparent shows the grey value `background`. Values of 16 or 32 bits are scaled
    linearly, so that `limits`, (low, high), become 0 and 255.
    """
    from PIL import Image, ImageOps

    image = eight_bits(ImageOps.exif_transpose(image), limits)
    if has_alpha(image):
        below = Image.new("RGBA", image.size, (background, background, background, 255))
        image = Image.alpha_composite(below, with_alpha(image))
    image = image.convert(mode)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return image


def has_alpha(image: Any) -> bool:
    """Return whether a PIL image has an alpha channel or a transparent colour."""
    palette = image.palette.mode if image.mode == "P" and image.palette else ""
    channel = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or palette.endswith("A")
    return channel or "transparency" in image.info


def with_alpha(image: Any) -> Any:
    """Return a PIL image of 8 bits in mode RGBA."""
    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:  # of 16 bits, which Pillow has reduced to 8
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in key)
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def eight_bits(image: Any, limits: tuple[float, float] | None) -> Any:
    """Return a grey image of 16 or 32 bits in 8 bits, and any other image unchanged."""
    from PIL import Image

    if image.mode[0] not in "IF":
        return image
    if limits is None:
        raise ValueError(f"image mode {image.mode!r}; save it with 8 bits a channel")
    values = image.convert("F")
    mean = values.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    if mean - mean != 0:
        raise ValueError("a pixel is NaN or infinite; replace it by a number")
    low, high = limits
    factor = 255 / (high - low)
    grey = values.point(lambda value: value * factor + (0.5 - low * factor)).convert("L")
    key = image.info.get("transparency")
    if key is not None:
        visible = [255] * 65536
        visible[key] = 0
        grey.putalpha(image.convert("I").point(visible, "L"))
    return grey
