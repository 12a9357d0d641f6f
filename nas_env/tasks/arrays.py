"""`arrays`: classification of images or vectors from an `.npz` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.sources import ReadOptions, read_data
from nas_env.tasks.base import TASKS
from nas_env.tasks.supervised import SPLITS, Split, SupervisedTask


@TASKS.register("arrays")
def arrays(data: str | Path | Mapping[str, NDArray[Any]]) -> SupervisedTask:
    """Return the task of labelled arrays: an `.npz` file or a mapping.

    For regression, other metrics than accuracy and data that do not fit in memory, take `own-data`.

    Args:
        data: Path of an `.npz` file, or a mapping, with `x`, `y` (split 60/20/20), or `x_train`,
            `y_train`, `x_test`, `y_test` and perhaps `x_val`, `y_val` (without them, a fifth of the
            training part is the validation split). Images are (n, height, width), channels last
            (n, height, width, 1 | 3 | 4) or first; vectors are (n, features). Labels are (n,)
            integers or strings, one of two or more classes each. Splits are stratified, by a seed
            of the task's own.

    Raises:
        InvalidDataError: The file or its content breaks one of these rules.
    """
    options = ReadOptions(problem="classification", max_memory_mb=UNLIMITED_MB)
    read = read_data(data, options, "npz")
    x = np.asarray(read.x)
    splits = [Split(x[read.rows[name]], read.y[read.rows[name]]) for name in SPLITS]
    train, validation, test = splits
    classes = read.classes
    return SupervisedTask("arrays", train, validation, test, len(classes), classes=classes)


UNLIMITED_MB = 1e12  # as always; `own-data` is for what does not fit
