"""`damped-wave`: predict the height of a damped wave from position and time."""

import numpy as np

from nas_env.sources import ReadOptions, read_data
from nas_env.tasks.base import TASKS
from nas_env.tasks.own_data import DataTask


@TASKS.register("damped-wave")
def damped_wave() -> DataTask:
    """Return 300 samples of a regression task, split 60/20/20."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, (300, 2)).astype(np.float32)
    y = np.exp(-x[:, 1]) * np.sin(3 * x[:, 0]) + rng.normal(0, 0.05, 300)
    data = read_data({"x": x, "y": y}, ReadOptions(problem="regression"))
    return DataTask(data, name="damped-wave")
