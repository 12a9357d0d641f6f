"""Writes the preprocessing of samples as source, from steps of plain data.

A task describes its preprocessing as a list of steps; see `nas_env.sources.preprocessing`. A
function for each step writes its source. A new one registers itself with `@STEPS.register(name)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from nas_env.errors import InvalidSettingError
from nas_env.export._layout import Call, lay_out, literal, numbers
from nas_env.registry import Registry
from nas_env.sources import encoding, image_encoding
from nas_env.tasks.base import Task

Steps = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class StepSource:
    """The source of a step.

    Attributes:
        constants: Lines at the top of the file.
        statements: Lines of `preprocess` that transform `x`, a float32 tensor (batch, *shape).
        encode: Lines of a function `encode`, and of the functions it calls. It converts other
            samples, such as rows of a table, to such tensors.
        example: An expression for example samples, if random numbers are not suitable.
    """

    constants: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    encode: tuple[str, ...] = ()
    example: tuple[str, ...] = ()


STEPS: Registry[Callable[[Mapping[str, Any]], StepSource]] = Registry("preprocessing step")


@STEPS.register("standardise")
def standardise(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `(x - mean) / sd`.

    Args:
        step: "mean" and "sd": numbers for each channel or feature; "dims": dimensions of a sample,
            3 for maps (channels, height, width), 1 for vectors.
    """
    shape = ".view(-1, 1, 1)" if step["dims"] == 3 else ""
    constants: list[str] = []
    for name, key in (("MEAN", "mean"), ("SD", "sd")):
        values = [float_text(value) for value in step[key]]
        constants += numbers(name, values, "torch.tensor(", f"){shape}")
    return StepSource(tuple(constants), ("x = (x - MEAN.to(x)) / SD.to(x)",))


@STEPS.register("scale")
def scale(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `x * factor`; "factor" is a number, such as 1 / 255."""
    return StepSource(statements=(f"x = x * {float_text(step['factor'])}",))


@STEPS.register("resize")
def resize(step: Mapping[str, Any]) -> StepSource:
    """Return the source that resizes images to "size", (height, width), with bilinear filtering."""
    height, width = step["size"]
    call = f"functional.interpolate(x, size=({height}, {width}), mode="
    return StepSource(statements=(f'x = {call}"bilinear", antialias=True)',))


ENCODE_ROWS = '''
def encode(rows: list[dict[str, Any]]) -> Tensor:
    """Return rows as numbers (rows, features); a single row may be given without a list.

    A row maps the name of each of COLUMNS to its value. Missing values are None, NaN, pandas.NA,
    and text that is in MISSING, or in "missing" of the column, and is not a category.
    """
    rows = [rows] if isinstance(rows, dict) else rows
    return torch.tensor([encode_row(COLUMNS, place, row) for place, row in enumerate(rows, 1)])
'''


ROW_FUNCTIONS = (
    encoding.encode_row,
    encoding.encode_value,
    encoding.is_missing,
    encoding.number,
    encoding.plain_number,
    encoding.number_pattern,
    encoding.date_parts,
)
NEEDED = {  # entries of each kind of column
    "numeric": ("fill", "mean", "sd"),
    "categorical": ("fill", "categories", "rare"),
    "date": ("date", "fill", "mean", "sd"),
}
OPTIONAL = (
    *("format", "low", "high", "missing", "missing_numbers", "default_missing", "not_missing"),
)


@STEPS.register("columns")
def columns(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `encode`, which turns rows of a table into vectors.

    Args:
        step: "columns": a mapping for each column, in order, with "name", "kind", and "fill" (the
            replacement of missing values). A "numeric" column also has "mean" and "sd". A
            "categorical" column has "categories" and "rare" (whether all other categories share one
            more feature). A "date" column has "date", its format, and "fill", "mean" and "sd" of
            each part. All may have the entries of OPTIONAL.
    """
    lines = [*numbers("MISSING", list(map(literal, encoding.MISSING)), "", ""), "COLUMNS = {"]
    for column in step["columns"]:
        names = [*NEEDED[column["kind"]], *(x for x in OPTIONAL if x in column)]
        pairs = Call("", tuple(_pair(x, column[x]) for x in names), brackets="{}")
        lines += lay_out(pairs, f"{literal(column['name'])}: ", ",", indent=4)
    example = "encode([dict.fromkeys(COLUMNS)])  # put your rows here; None is filled in"
    return StepSource(
        (*lines, "}"), encode=_functions(ENCODE_ROWS, *ROW_FUNCTIONS), example=(example,)
    )


def _pair(key: str, value: Any) -> str | Call:
    before = f"{literal(key)}: "
    if isinstance(value, list):
        return Call(before, tuple(map(literal, value)), brackets="[]")
    if isinstance(value, dict):
        return Call(before, tuple(_pair(x, y) for x, y in value.items()), brackets="{}")
    return before + literal(value)


IMAGE_FUNCTIONS = (
    image_encoding.decode,
    image_encoding.has_alpha,
    image_encoding.with_alpha,
    image_encoding.eight_bits,
)
ENCODE_IMAGES = '''
def encode(images: list[Any]) -> Tensor:
    """Return image files or PIL images, or a single one, as (n, {channels}, {height}, {width}).

    It needs Pillow.
    """
    if isinstance(images, str | Path) or hasattr(images, "convert"):
        images = [images]
    return torch.stack([pixels(image) for image in images])


def pixels(image: Any) -> Tensor:
    """Return an image, rotated by its EXIF orientation and resized, in 8 bits, 0 to 255."""
    from PIL import Image

    image = image if isinstance(image, Image.Image) else Image.open(image)
    image = decode(image, "{mode}", {width}, {height}{more})
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return values.view({height}, {width}, {channels}).permute(2, 0, 1)
'''


@STEPS.register("image")
def image(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `encode`, which turns image files and PIL images into pixels, 0 to 255.

    Args:
        step: "channels", 1 (grey) or 3 (colour), and "size", (height, width); optional: "limits",
            (low, high), and "background".
    """
    channels, (height, width) = step["channels"], step["size"]
    settings = {"channels": channels, "height": height, "width": width}
    more = "".join(f", {x}={step[x]!r}" for x in ("background", "limits") if x in step)
    text = ENCODE_IMAGES.format(mode="RGB" if channels == 3 else "L", more=more, **settings)
    example = f'255 * torch.rand(2, {channels}, {height}, {width})  # or encode(["mine.png"])'
    return StepSource(encode=_functions(text, *IMAGE_FUNCTIONS), example=(example,))


def _functions(text: str, *shared: Callable[..., Any]) -> tuple[str, ...]:
    """Return the lines of a text of functions, followed by the source of shared functions."""
    parts = (text, *map(inspect.getsource, shared))
    return tuple("\n\n\n".join(part.strip() for part in parts).splitlines())


def float_text(value: float) -> str:
    """Return the shortest text that has the same float32 value.

    Example:
        >>> float_text(0.1), float_text(2.0)
        ('0.1', '2.0')
    """
    return str(float(str(np.float32(value))))


def steps_of(task: Task) -> list[dict[str, Any]]:
    """Return the preprocessing steps of a task as plain data; empty if it defines none."""
    return [dict(step) for step in getattr(task, "preprocessing", ())]


def write_steps(steps: Steps) -> StepSource:
    """Return the source of steps in order.

    Raises:
        UnknownNameError: A step does not exist.
        InvalidSettingError: A step lacks a setting.
    """
    parts: list[StepSource] = []
    for step in steps:
        try:
            parts.append(STEPS.get(step.get("step", ""))(step))
        except KeyError as error:
            raise InvalidSettingError(
                f"Preprocessing step {step.get('step')!r} has no {error.args[0]!r}. It has: "
                f"{', '.join(map(str, step))}."
            ) from None
    return StepSource(
        *(
            tuple(line for part in parts for line in getattr(part, x.name))
            for x in fields(StepSource)
        )
    )
