"""Preprocessing steps as plain data, and a function that applies them with numpy only.

A list of steps describes how raw samples become the input of a network. Each step is a mapping that
can be written as JSON. `nas_env.export.preprocessing` writes the same steps as source code. The
steps of sources are:

- `{"step": "image", "channels": 1 | 3, "size": [height, width]}`: an image is rotated by its EXIF
  orientation, converted to grey or colour, and resized (bilinear), with 8 bits, 0 to 255, channels
  first.

  - `"limits": [low, high]` (optional): grey images of 16 or 32 bits are scaled linearly, so that
    these values become 0 and 255. Without it, such images are refused.
  - `"background"` (255): the grey value on which transparent images are composed.
- `{"step": "columns", "columns": [...]}`: a row is encoded as numbers, column by column.

  - `{"name", "kind": "numeric", "fill", "mean", "sd"}` is one number, (value - mean) / sd. Missing
    values are filled first. With `low` and `high`, values are clipped to this range. With `format`,
    text is read as `nas_env.sources.encoding.number_pattern` describes. `missing_numbers` are
    missing.
  - `{"name", "kind": "categorical", "categories": [...], "rare": bool, "fill": text}` is one number
    for each category and, if `rare`, one for all other categories.
  - `{"name", "kind": "date", "date", "fill", "mean", "sd"}` is year, month, day and weekday, each
    standardised. `date` is "iso" or the format of `datetime.strptime`.

  `nas_env.sources.encoding.is_missing` defines missing values. A column may have the words
  `missing` besides the default ones, `default_missing`: false without these, and the categories
  `not_missing` that are default words.
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
from nas_env.sources._image_list import pil
from nas_env.sources._images import pixels
from nas_env.sources.encoding import encode_row

Step = Mapping[str, Any]


def apply(steps: Sequence[Step], samples: Any) -> NDArray[np.float32]:
    """Apply steps to raw samples and return the input of a network, (n, *shape).

    Args:
        steps: The steps; see the module's documentation.
        samples: One of:

            * vectors (n, features);
            * images (n, channels, height, width);
            * if the first step is "image": a file or a PIL image, or a list of these;
            * for a table: a mapping from the name of each column to its n values.

    Raises:
        InvalidDataError: A column is missing from the samples, or a value is not a number.
        MissingDependencyError: Images are given and Pillow is not installed.
        UnknownNameError: A step does not exist.

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
    if hasattr(samples, "shape"):  # already decoded
        return np.asarray(samples)
    if isinstance(samples, str | Path) or hasattr(samples, "convert"):
        samples = [samples]
    image = pil()
    opened = (image.open(x) if isinstance(x, str | Path) else x for x in samples)
    return np.stack([pixels(x, step) for x in opened])


def _columns(step: Step, samples: Mapping[Any, ArrayLike]) -> NDArray[np.float32]:
    columns = {column["name"]: column for column in step["columns"]}
    samples = {str(name): values for name, values in samples.items()}
    if absent := [name for name in columns if name not in samples]:
        raise InvalidDataError(f"Column {absent[0]!r} is missing. Needed: {', '.join(columns)}.")
    values: list[Any] = [samples[name] for name in columns]
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))
    try:
        encoded = [encode_row(columns, place, row) for place, row in enumerate(rows, 1)]
    except ValueError as error:
        raise InvalidDataError(str(error)) from None
    return np.array(encoded, dtype=np.float32)


def _standardise(step: Step, samples: Any) -> NDArray[np.float32]:
    x = np.asarray(samples, dtype=np.float32)
    trailing = (1,) * (step["dims"] - 1)
    mean, sd = (np.asarray(step[k], np.float32).reshape(-1, *trailing) for k in ("mean", "sd"))
    standardised: NDArray[np.float32] = ((x - mean) / sd).astype(np.float32)
    return standardised


DONE: Mapping[str, Callable[[Step, Any], Any]] = {
    "image": _image,
    "columns": _columns,
    "standardise": _standardise,
}
