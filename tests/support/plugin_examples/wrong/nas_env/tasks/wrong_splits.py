"""`wrong-splits`: a regression task whose test split repeats training samples."""

import numpy as np

from nas_env.sources import ReadOptions, read_data
from nas_env.tasks.base import TASKS
from nas_env.tasks.own_data import DataTask


@TASKS.register("wrong-splits")
def wrong_splits() -> DataTask:
    """Return 100 samples, each of them twice."""
    x = np.random.default_rng(0).uniform(0, 3, (100, 2)).astype(np.float32)
    data = {"x": np.concatenate([x, x]), "y": np.tile(x[:, 0] * x[:, 1], 2)}
    return DataTask(read_data(data, ReadOptions(problem="regression")), name="wrong-splits")
