"""What is done to a sample, as steps of plain data, and how to do it again with numpy alone.

A list of steps, each a mapping that JSON can hold, says how samples as they come become what a
network takes; `nas_env.export.preprocessing` writes the same steps as source. Those of sources:

- `{"step": "image", "channels": 1 | 3, "size": [height, width]}`: an image is turned as its camera
  says, made grey or coloured, and resized (bilinear) to 8 bits, 0 to 255, channels first.
- `{"step": "columns", "columns": [...]}`: a row becomes numbers, column by column.
  `{"name", "kind": "numeric", "fill", "mean", "sd"}` is one, (value - mean) / sd, the missing
  filled first; `{"name", "kind": "categorical", "categories": [...], "rare": bool, "fill": text}`
  one for each category and, where there are rare ones, one for all others. Missing is what
  `nas_env.sources.encoding.is_missing` says.
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
from nas_env.sources._images import pil, pixels
from nas_env.sources.encoding import encode_row

Step = Mapping[str, Any]


def apply(steps: Sequence[Step], samples: Any) -> NDArray[np.float32]:
    """Return (n, *shape) what a network takes, from raw samples.

    Args:
        steps: See above.
        samples: Vectors (n, features); images (n, channels, height, width), or a list of files or
            PIL images where the first step is "image", or a single one; of a table, a mapping from
            the name of each column to its n values.

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
    return np.stack([pixels(x, size, colour) for x in opened])


def _columns(step: Step, samples: Mapping[str, ArrayLike]) -> NDArray[np.float32]:
    columns = {column["name"]: column for column in step["columns"]}
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
    made: NDArray[np.float32] = ((x - mean) / sd).astype(np.float32)
    return made


DONE: Mapping[str, Callable[[Step, Any], Any]] = {
    "image": _image,
    "columns": _columns,
    "standardise": _standardise,
}
