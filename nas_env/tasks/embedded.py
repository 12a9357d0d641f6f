"""Small real data sets included in the package; see `nas_env/data/README.md`."""

from __future__ import annotations

from importlib.resources import files
from typing import cast

import numpy as np

from nas_env.tasks.base import TASKS
from nas_env.tasks.supervised import Split, SupervisedTask, stratified_split

SHARES = (0.6, 0.2, 0.2)


def _load(name: str) -> tuple[Split, int]:
    with (files("nas_env.data") / f"{name}.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        data = Split(arrays["x"].astype(np.float32), arrays["y"].astype(np.int64))
    return data, int(data.y.max()) + 1


def _task(name: str) -> SupervisedTask:
    data, num_outputs = _load(name.replace("-", "_"))
    parts = [Split(data.x[part], data.y[part]) for part in stratified_split(data.y, SHARES)]
    return SupervisedTask(name, *cast(tuple[Split, Split, Split], tuple(parts)), num_outputs)


@TASKS.register("mnist-small")
def mnist_small() -> SupervisedTask:
    """Return handwritten digits: 14x14, shifted, noisy, ten classes, 1,000 / 2,000 / 2,000."""
    data, num_outputs = _load("mnist_small")
    cuts = (1000, 3000)  # the file's order is training, validation, test
    train, validation, test = map(Split, np.split(data.x, cuts), np.split(data.y, cuts))
    return SupervisedTask("mnist-small", train, validation, test, num_outputs)


@TASKS.register("digits")
def digits() -> SupervisedTask:
    """Return handwritten digits: 1,797 grey 8x8 images of ten classes, split 60/20/20."""
    return _task("digits")


@TASKS.register("wine")
def wine() -> SupervisedTask:
    """Return wines: 178 chemical analyses of 13 numbers, three cultivars, split 60/20/20."""
    return _task("wine")


@TASKS.register("breast-cancer")
def breast_cancer() -> SupervisedTask:
    """Return breast tumours: 569 samples of 30 numbers, malignant or benign, split 60/20/20."""
    return _task("breast-cancer")
