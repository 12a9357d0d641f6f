"""What is done to a sample before the network sees it, from steps of plain data to source.

A task says it as a list of steps, see `nas_env.sources.preprocessing`. A step's writer turns it
into source; a new one is a function that registers itself with `@STEPS.register(name)`.
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
from nas_env.sources import encoding
from nas_env.tasks.base import Task

Steps = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class StepSource:
    """The source of a step.

    Attributes:
        constants: Lines that stand at the top of the file.
        statements: Lines of `preprocess`, which turn `x`, a float32 tensor (batch, *shape), into
            another `x`.
        encode: Lines of a function `encode` that makes such tensors of what is none, such as rows
            of a table; and of functions that it calls.
        example: An expression for samples to begin with, where random numbers are none.
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
    """Return the source that makes images as large as "size", (height, width), bilinear."""
    height, width = step["size"]
    call = f"functional.interpolate(x, size=({height}, {width}), mode="
    return StepSource(statements=(f'x = {call}"bilinear", antialias=True)',))


ENCODE_ROWS = '''
def encode(rows: list[dict[str, Any]]) -> Tensor:
    """Return rows as numbers (rows, features); a single row is a list of one.

    A row has the value of each of COLUMNS by its name. Missing are None, NaN, pandas.NA, and text
    that is one of MISSING and no category.
    """
    rows = [rows] if isinstance(rows, dict) else rows
    return torch.tensor([encode_row(COLUMNS, place, row) for place, row in enumerate(rows, 1)])
'''


ROW_FUNCTIONS = (
    encoding.encode_row,
    encoding.encode_value,
    encoding.is_missing,
    encoding.number,
)


@STEPS.register("columns")
def columns(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `encode`, which turns rows of a table into vectors.

    Args:
        step: "columns": for each column in order its "name", "kind", and what stands in for a
            missing value, "fill"; of a "numeric" one also "mean" and "sd", of a "categorical" one
            "categories" and, whether all others are one more, "rare".
    """
    lines = [*numbers("MISSING", list(map(literal, encoding.MISSING)), "", ""), "COLUMNS = {"]
    for column in step["columns"]:
        numeric = column["kind"] == "numeric"
        names = ("fill", "mean", "sd") if numeric else ("fill", "categories", "rare")
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
    return before + literal(value)


ENCODE_IMAGES = '''
def encode(images: list[Any]) -> Tensor:
    """Return image files or PIL images, or a single one, as (n, {channels}, {height}, {width}).

    It needs Pillow.
    """
    if isinstance(images, str | Path) or hasattr(images, "convert"):
        images = [images]
    return torch.stack([pixels(image) for image in images])


def pixels(image: Any) -> Tensor:
    """Return an image, turned as its camera says and resized, in 8 bits, 0 to 255."""
    from PIL import Image

    image = image if isinstance(image, Image.Image) else Image.open(image)
    image = decode(image, "{mode}", {width}, {height})
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return values.view({height}, {width}, {channels}).permute(2, 0, 1)
'''


@STEPS.register("image")
def image(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `encode`, which turns image files and PIL images into pixels, 0 to 255.

    Args:
        step: "channels", 1 (grey) or 3 (colour), and "size", (height, width).
    """
    channels, (height, width) = step["channels"], step["size"]
    settings = {"channels": channels, "height": height, "width": width}
    text = ENCODE_IMAGES.format(mode="RGB" if channels == 3 else "L", **settings)
    example = f'255 * torch.rand(2, {channels}, {height}, {width})  # or encode(["mine.png"])'
    return StepSource(encode=_functions(text, encoding.decode), example=(example,))


def _functions(text: str, *shared: Callable[..., Any]) -> tuple[str, ...]:
    """Return the lines of functions as text, and of those that are written as they stand."""
    parts = (text, *map(inspect.getsource, shared))
    return tuple("\n\n\n".join(part.strip() for part in parts).splitlines())


def float_text(value: float) -> str:
    """Return the shortest text that is the same float32.

    Example:
        >>> float_text(0.1), float_text(2.0)
        ('0.1', '2.0')
    """
    return str(float(str(np.float32(value))))


def steps_of(task: Task) -> list[dict[str, Any]]:
    """Return what a task does to a sample, as plain data; an empty list where it says nothing."""
    return [dict(step) for step in getattr(task, "preprocessing", ())]


def write_steps(steps: Steps) -> StepSource:
    """Return the source of steps, one after the other.

    Raises:
        UnknownNameError: There is no such step.
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
