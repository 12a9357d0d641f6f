"""`chain-bench`: every network of the space `chain-bench`, trained three times by this project.

For its creation and contents, see `docs/chain-bench.md`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from nas_env.spaces import SPACES
from nas_env.tables.base import TABLES, Embedded, Table, space_of
from nas_env.tasks import TASKS

ARRAYS = ("walks", "hits", "loss", "seconds", "test_hits", "params", "macs", "latency_ms")


@TABLES.register("chain-bench")
def chain_bench() -> Table:
    """Return the table.

    Columns, each of three runs (training seeds 0, 1, 2): "val_1", "val_2", ... validation accuracy
    after 1, 2, ... epochs of one schedule, and "test" after the last epoch. The first run is the
    reward, so an episode has the same result as in `NAS-v0` with this space and
    `budget={"epochs": 6}`. The mean test accuracy of the other runs is the report.
    """
    data = Embedded("chain_bench.npz", "python -m scripts.data chain_bench")
    spec = TASKS.get(SPACES.get("chain-bench").default_task)().spec
    data.check(SPACES.get("chain-bench")().size(), *ARRAYS)
    validation, test = (float(size) for size in data["sizes"])
    hits, loss = data["hits"], data["loss"].astype(np.float64)  # (rows, runs, epochs)
    epochs = hits.shape[2]
    order = (epochs, *range(1, epochs))  # the first entry is the default fidelity
    columns = {f"val_{k}": hits[:, :, k - 1] / validation for k in range(1, epochs + 1)}
    seconds = data["seconds"].mean(axis=1, dtype=np.float64)

    return Table(
        name="chain-bench",
        walks=data["walks"].astype(np.int16),
        columns={**columns, "test": data["test_hits"] / test},
        rewards={k: f"val_{k}" for k in order},
        report="test",
        test_columns=frozenset({"test"}),
        run=1,
        make_space=partial(space_of, spec, "chain-bench"),
        spec=spec,
        metrics={x: data[x] for x in ("params", "macs", "latency_ms")},
        losses={k: loss[:, :, k - 1] for k in order},
        seconds={k: seconds * k / epochs for k in order},
    )
