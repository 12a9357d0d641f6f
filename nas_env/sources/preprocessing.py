"""What was done to samples, as plain data, and how to do it again with numpy alone.

An export writes these data into its own source; `apply` is that source, and what tests compare with
scikit-learn. Kinds:

- `{"kind": "image", "channels": c, "height": h, "width": w, "resize": "bilinear" | None, "values":
  "0 to 255"}`: decoded and resized images are (n, c, h, w).
- `{"kind": "array"}`: arrays as they are, images with channels first.
- `{"kind": "table", "target": name, "columns": [...]}`: columns in the order of the numbers they
  become. `{"name", "kind": "numeric", "fill", "mean", "sd"}` is one number, the missing filled
  first; `{"name", "kind": "categorical", "categories": [...], "rare": bool, "fill": text}` one for
  each category and, where there are rare ones, one for all others.

"mean" and "sd", lists, stand beside "kind" unless it is a table: one number a channel of images, a
feature of vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas_env.errors import InvalidDataError


def apply(preprocessing: Mapping[str, Any], samples: Any) -> NDArray[np.float32]:
    """Return (n, *shape) what a network takes, from raw samples.

    Args:
        preprocessing: See above.
        samples: Images (n, channels, height, width), vectors (n, features), or, of a table, a
            mapping from the name of each column to its n values (None or NaN: missing).

    Raises:
        InvalidDataError: A column of the table is not among the samples.

    Example:
        >>> columns = [{"name": "age", "kind": "numeric", "fill": 30.0, "mean": 40.0, "sd": 5.0}]
        >>> apply({"kind": "table", "columns": columns}, {"age": [50, None]}).tolist()
        [[2.0], [-2.0]]
    """
    if preprocessing["kind"] == "table":
        return _table(preprocessing["columns"], samples)
    x = np.asarray(samples, dtype=np.float32)
    trailing = (1,) * (x.ndim - 2)
    mean, sd = (np.asarray(preprocessing[k], np.float32).reshape(-1, *trailing) for k in MOMENTS)
    made: NDArray[np.float32] = ((x - mean) / sd).astype(np.float32)
    return made


MOMENTS = ("mean", "sd")


def _table(
    columns: Sequence[Mapping[str, Any]], samples: Mapping[str, ArrayLike]
) -> NDArray[np.float32]:
    parts = []
    for column in columns:
        name = column["name"]
        if name not in samples:
            raise InvalidDataError(
                f"Column {name!r} is missing. Needed: {', '.join(x['name'] for x in columns)}."
            )
        parts.append((_numeric if column["kind"] == "numeric" else _one_hot)(column, samples[name]))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _numeric(column: Mapping[str, Any], values: Any) -> NDArray[np.float64]:
    x = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    x = np.where(np.isnan(x), column["fill"], x)
    scaled: NDArray[np.float64] = (x - column["mean"]) / column["sd"]
    return scaled[:, None]


def _one_hot(column: Mapping[str, Any], values: Any) -> NDArray[np.float64]:
    absent = [value is None or value != value for value in values]
    words = [column["fill"] if a else str(x) for x, a in zip(values, absent, strict=True)]
    hot = np.array([[word == x for x in column["categories"]] for word in words], dtype=np.float64)
    if not column["rare"]:
        return hot
    return np.column_stack([hot, 1 - hot.max(axis=1)])
