"""`nasbench-macro`: 6,561 chains of eight blocks on CIFAR-10, each trained three times.

Reference: Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021.
Source and licence: `nas_env/data/README.md`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from nas_env.tables.base import TABLES, Embedded, Table, space_of
from nas_env.tasks.base import TaskSpec

SPEC = TaskSpec("cifar10", 1, "image", (3, 32, 32), 10)
NETWORKS = 3**8
EPOCHS = 50  # of each training; the paper's supernet and retraining schedules differ


@TABLES.register("nasbench-macro")
def nasbench_macro() -> Table:
    """Return the table.

    Column: "test", the test accuracy of three runs; the authors publish no validation accuracy. By
    default, the first run is the reward and the mean of the others is the report.
    """
    data = Embedded("nasbench_macro.npz", "python -m scripts.data nasbench_tables --source FOLDER")
    data.check(NETWORKS, "walks", "accuracy", "params", "flops")

    # Walks to the same network share an entry in the source: equal runs and parameters.
    entries = np.column_stack([data["accuracy"], data["params"]])
    networks = np.unique(entries, axis=0, return_inverse=True)[1].reshape(-1)
    return Table(
        name="nasbench-macro",
        walks=data["walks"].astype(np.int16),
        columns={"test": data["accuracy"].astype(np.float64) / 100},
        rewards={EPOCHS: "test"},
        report="test",
        test_columns=frozenset({"test"}),
        run=1,
        make_space=partial(space_of, SPEC, "nasbench-macro"),
        spec=SPEC,
        networks=networks,
        metrics={"params": data["params"], "macs": data["flops"]},
    )
