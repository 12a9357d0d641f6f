"""Encodes one raw sample, using only the standard library and Pillow.

The exporter copies the source of these functions into exported files. So this module does not
import nas_env, and the functions use no names except each other, `Any` and `MISSING`.
"""

from typing import Any

MISSING = (  # the words that pandas.read_csv reads as a missing value
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)


def encode_row(columns: dict[str, Any], place: int, row: dict[str, Any]) -> list[float]:
    """Return a row as numbers; `place` is the row number for messages."""
    encoded: list[float] = []
    for name in columns:
        if name not in row:
            needed = ", ".join(columns)
            raise ValueError(f"row {place} lacks the column {name!r}; needed: {needed}")
        try:
            encoded += encode_value(columns[name], row[name])
        except ValueError as error:
            raise ValueError(f"row {place}, column {name!r}: {error}") from None
    return encoded


def encode_value(column: dict[str, Any], value: Any) -> list[float]:
    """Return a standardised number, or the one-hot encoding of a category.

    Rare categories share the last position.
    """
    categories = column.get("categories", [])
    if is_missing(value, categories):
        value = column["fill"]
    if "mean" in column:
        return [(number(value) - column["mean"]) / column["sd"]]
    places = [float(str(value) == category) for category in categories]
    return [*places, 1 - max(places)] if column["rare"] else places


def is_missing(value: Any, known: list[str]) -> bool:
    """Return whether a value is missing; a known category is never missing."""
    if isinstance(value, str):
        return value.strip() in MISSING and value not in known
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def number(value: Any) -> float:
    """Return a value as a number; True and False, also as text, become 1 and 0."""
    word = str(value).strip()
    if word.lower() in ("true", "false"):
        return float(word.lower() == "true")
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        parsed = float("nan")
    if abs(parsed) < float("inf"):
        return parsed
    try:
        hint = f"; if this is a decimal comma, write {float(word.replace(',', '.'))}"
    except ValueError:
        hint = ""
    raise ValueError(f"{value!r} is not a number{hint if ',' in word else ''}")


def decode(image: Any, mode: str, width: int, height: int) -> Any:
    """Return a PIL image with the given 8-bit mode and size, rotated by its EXIF orientation."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F"):
        raise ValueError(f"image mode {image.mode!r}; save it with 8 bits a channel")
    if image.mode.startswith("I;16"):  # the upper 8 bits are kept
        upper = image.tobytes()[0 if image.mode == "I;16B" else 1 :: 2]
        image = Image.frombytes("L", image.size, upper)
    image = image.convert(mode)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return image
