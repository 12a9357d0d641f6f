"""What is done to a sample before the network sees it, as plain data and as source.

A task says it as a list of steps, each a mapping of plain data that JSON can hold, with the name of
the step under "step". A step's writer turns it into source; a new one is a function that registers
itself with `@STEPS.register(name)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from nas_env.errors import InvalidSettingError
from nas_env.export._layout import Call, lay_out, literal, numbers
from nas_env.registry import Registry
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
    """

    constants: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    encode: tuple[str, ...] = ()


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


ENCODE = '''
def encode(rows: list[dict[str, float | str | None]]) -> Tensor:
    """Return rows, each a value by the name of its column, as numbers (rows, features)."""
    return torch.tensor([[x for name in COLUMNS for x in numbers(name, row)] for row in rows])


def numbers(name: str, row: dict[str, float | str | None]) -> list[float]:
    """Return a value, or what stands for a missing one; of a category, 1 at its place, else 0."""
    column, value = COLUMNS[name], row.get(name)
    if isinstance(column, list):
        return [float(value == category) for category in column]
    return [column if value is None else float(value)]
'''


@STEPS.register("columns")
def columns(step: Mapping[str, Any]) -> StepSource:
    """Return the source of `encode`, which turns rows of a table into vectors.

    Args:
        step: "columns": for each column in order its "name", and "values" (the categories, each a
            feature that is 1 or 0; an unknown one is 0 everywhere) or "fill" (the number that
            stands for a missing one).
    """
    lines = ["COLUMNS: dict[str, float | list[str]] = {"]
    for column in step["columns"]:
        before = f"{literal(column['name'])}: "
        if "values" in column:
            names = Call("", tuple(map(literal, column["values"])), brackets="[]")
            lines += lay_out(names, before, ",", indent=4)
        else:
            lines.append(f"    {before}{float_text(column['fill'])},")
    return StepSource((*lines, "}"), encode=tuple(ENCODE.strip().splitlines()))


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
