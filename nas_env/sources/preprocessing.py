"""What is done to a sample, as steps of plain data, and how to do it again with numpy alone.

A list of steps, each a mapping that JSON can hold, says how samples as they come become what a
network takes; `nas_env.export.preprocessing` writes the same steps as source. Those of sources:

- `{"step": "image", "channels": 1 | 3, "size": [height, width]}`: an image is turned as its camera
  says, made grey or coloured, and resized (bilinear) to 8 bits, 0 to 255, channels first.
- `{"step": "columns", "columns": [...]}`: a row becomes numbers, column by column.
  `{"name", "kind": "numeric", "fill", "mean", "sd"}` is one, (value - mean) / sd, the missing
  filled first; `{"name", "kind": "categorical", "categories": [...], "rare": bool, "fill": text}`
  one for each category and, where there are rare ones, one for all others. Missing is what
  `is_missing` says.
- `{"step": "standardise", "mean": [...], "sd": [...], "dims": 1 | 3}`: (x - mean) / sd for each
  channel of an image (3) or each feature of a vector (1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas_env.errors import InvalidDataError
from nas_env.registry import unknown_name
from nas_env.sources._images import decode, pil

Step = Mapping[str, Any]

MISSING_WORDS = (  # what pandas.read_csv takes for a missing value
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)


def apply(steps: Sequence[Step], samples: Any) -> NDArray[np.float32]:
    """Return (n, *shape) what a network takes, from raw samples.

    Args:
        steps: See above.
        samples: Vectors (n, features); images (n, channels, height, width), or a list of files or
            PIL images where the first step is "image", or a single one; of a table, a mapping from
            the name of each column to its n values, see `is_missing`.

    Raises:
        InvalidDataError: A column of the table is not among the samples, or a value is no number.
        MissingDependencyError: Images are given and Pillow is not installed.
        UnknownNameError: A step is none of those above.

    Example:
        >>> columns = [{"name": "age", "kind": "numeric", "fill": 30.0, "mean": 40.0, "sd": 5.0}]
        >>> apply([{"step": "columns", "columns": columns}], {"age": [50, None]}).tolist()
        [[2.0], [-2.0]]
    """
    for step in steps:
        if step["step"] not in DONE:
            raise unknown_name("step of a source", step["step"], DONE)
        samples = DONE[step["step"]](step, samples)
    return np.asarray(samples, dtype=np.float32)


def _image(step: Step, samples: Any) -> NDArray[np.uint8]:
    if hasattr(samples, "shape"):  # decoded already
        return np.asarray(samples)
    if isinstance(samples, str | Path) or hasattr(samples, "convert"):
        samples = [samples]
    size, colour, image = tuple(step["size"]), step["channels"] == 3, pil()
    opened = (image.open(x) if isinstance(x, str | Path) else x for x in samples)
    return np.stack([decode(x, size, colour) for x in opened])


def _columns(step: Step, samples: Mapping[str, ArrayLike]) -> NDArray[np.float32]:
    parts = []
    for column in step["columns"]:
        name = column["name"]
        if name not in samples:
            needed = ", ".join(x["name"] for x in step["columns"])
            raise InvalidDataError(f"Column {name!r} is missing. Needed: {needed}.")
        parts.append((_numeric if column["kind"] == "numeric" else _one_hot)(column, samples[name]))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _numeric(column: Mapping[str, Any], values: Any) -> NDArray[np.float64]:
    x = np.array([_number(column, *x) for x in enumerate(values, 1)], dtype=np.float64)
    scaled: NDArray[np.float64] = (x - column["mean"]) / column["sd"]
    return scaled[:, None]


def _number(column: Mapping[str, Any], row: int, value: Any) -> float:
    try:
        return float(column["fill"]) if is_missing(value) else number(value)
    except ValueError as error:
        raise InvalidDataError(f"row {row}, column {column['name']!r}: {error}") from None


def _one_hot(column: Mapping[str, Any], values: Any) -> NDArray[np.float64]:
    known = column["categories"]
    words = [column["fill"] if is_missing(value, known) else str(value) for value in values]
    hot = np.array([[word == x for x in known] for word in words], dtype=np.float64)
    if not column["rare"]:
        return hot
    return np.column_stack([hot, 1 - hot.max(axis=1)])


def is_missing(value: Any, known: Sequence[str] = ()) -> bool:
    """Return whether a value of a table is a missing one.

    None, NaN and pandas.NA are, and of text `MISSING_WORDS`, with or without blanks around them,
    unless the word is a category.

    Args:
        value: The value.
        known: Categories of its column.

    Example:
        >>> is_missing(" NA "), is_missing("NA", ["NA", "EU"]), is_missing("EU")
        (True, False, False)
    """
    if isinstance(value, str):
        return value.strip() in MISSING_WORDS and value not in known
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def number(value: Any) -> float:
    """Return a value of a column of numbers; True and False are 1 and 0, also as text.

    Raises:
        ValueError: It is none; the message says what to write instead of a decimal comma.

    Example:
        >>> number("8.16"), number("False")
        (8.16, 0.0)
    """
    word = str(value).strip()
    if word.lower() in ("true", "false"):
        return float(word.lower() == "true")
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if abs(found) < float("inf"):
        return found
    try:
        hint = f"; if the comma is a decimal one, write {float(word.replace(',', '.'))}"
    except ValueError:
        hint = ""
    raise ValueError(f"{value!r} is not a number{hint if ',' in word else ''}")


def _standardise(step: Step, samples: Any) -> NDArray[np.float32]:
    x = np.asarray(samples, dtype=np.float32)
    trailing = (1,) * (step["dims"] - 1)
    mean, sd = (np.asarray(step[k], np.float32).reshape(-1, *trailing) for k in ("mean", "sd"))
    made: NDArray[np.float32] = ((x - mean) / sd).astype(np.float32)
    return made


DONE: Mapping[str, Callable[[Step, Any], Any]] = {
    "image": _image,
    "columns": _columns,
    "standardise": _standardise,
}
