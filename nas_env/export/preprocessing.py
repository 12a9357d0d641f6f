"""Writes the preprocessing of samples as source, from steps of plain data.

A task describes its preprocessing as a list of steps; see `nas_env.sources.preprocessing`. A
function for each step writes its source. A new one registers itself with `@STEPS.register(name)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
        example: An expression for plausible samples before the step, in which "{after}" stands for
            plausible samples after it.
        keeps_shape: Whether the statements keep the shape of a sample.
    """

    constants: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    encode: tuple[str, ...] = ()
    example: str = "{after}"
    keeps_shape: bool = False


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
    statement = "x = (x - MEAN.to(x)) / SD.to(x)"
    return StepSource(tuple(constants), (statement,), (), "MEAN + SD * {after}", True)


@STEPS.register("scale")
def scale(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `x * factor`; "factor" is a number, such as 1 / 255."""
    factor = float_text(step["factor"])
    return StepSource((), (f"x = x * {factor}",), (), f"({{after}}) / {factor}", True)


@STEPS.register("resize")
def resize(step: Mapping[str, Any]) -> StepSource:
    """Return the source that resizes images to "size", (height, width), with bilinear filtering."""
    height, width = step["size"]
    call = f"functional.interpolate(x, size=({height}, {width}), mode="
    return StepSource(statements=(f'x = {call}"bilinear", antialias=True)',))


ENCODE_ROWS = '''
def encode(rows: Any) -> Tensor:
    """Return rows as numbers (rows, {width}): mappings, one mapping, or a pandas DataFrame.

    A row maps the name of each of COLUMNS to its value. Missing values are None, NaN, pandas.NA,
    and text that is in MISSING, or in "missing" of the column, and is not a category.
    """
    rows = [rows] if isinstance(rows, dict) else rows
    rows = rows.to_dict("records") if hasattr(rows, "to_dict") else list(rows)
    if not all(hasattr(row, "keys") for row in rows):
        raise TypeError("rows must map column names to values, as csv.DictReader returns them")
    encoded = [encode_row(COLUMNS, place, row) for place, row in enumerate(rows, 1)]
    return torch.tensor(encoded).view(-1, {width})
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
    by_name = {column["name"]: column for column in step["columns"]}
    usual = {name: _usual(x) for name, x in by_name.items()}
    text = ENCODE_ROWS.format(width=len(encoding.encode_row(by_name, 1, usual)))
    lines = [*lines, "}", *_usual_row(usual)]
    functions = _functions(text, *ROW_FUNCTIONS)
    return StepSource(tuple(lines), (), functions, "encode([EXAMPLE])", True)


def _usual(column: Mapping[str, Any]) -> Any:
    """Return a usual value of a column: its first category or median; None for a date."""
    return None if column["kind"] == "date" else [*column.get("categories", []), column["fill"]][0]


def _usual_row(values: Mapping[str, Any]) -> list[str]:
    """Return the lines of an example row: the first categories, and the usual numbers."""
    pairs = Call("", tuple(f"{literal(k)}: {literal(x)}" for k, x in values.items()), brackets="{}")
    return lay_out(pairs, "EXAMPLE = ")


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
def encode(images: Any) -> Tensor:
    """Return image files or PIL images, or a single one, as (n, {channels}, {height}, {width}).

    It needs Pillow.
    """
    if isinstance(images, str | Path) or hasattr(images, "convert"):
        images = [images]
    batch = [pixels(image) for image in images]
    return torch.stack(batch) if batch else torch.zeros(0, {channels}, {height}, {width})


def pixels(image: Any) -> Tensor:
    """Return an image, rotated by its EXIF orientation and resized, in 8 bits, 0 to 255."""
    from PIL import Image

    if hasattr(image, "shape"):
        raise TypeError("images must be files or PIL images; use PIL.Image.fromarray for arrays")
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
    functions = _functions(text, *IMAGE_FUNCTIONS)
    return StepSource((), (), functions, "({after}).clamp(0, 255)", True)


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
    lines = {
        name: tuple(line for part in parts for line in getattr(part, name))
        for name in ("constants", "statements", "encode")
    }
    keeps = all(part.keeps_shape for part in parts)
    return StepSource(**lines, example=_example(parts), keeps_shape=keeps)


def _example(parts: Sequence[StepSource]) -> str:
    """Return an expression for plausible raw samples; "{shape}" stands for the input shape."""
    known = any("MEAN" in part.example for part in parts)
    example = "torch.randn(2, {shape})" if known else "torch.rand(2, {shape})"
    for part in reversed(parts):
        example = part.example.replace("{after}", example)
    return example
