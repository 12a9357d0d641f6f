"""`nasbench-graph`: graph neural networks of four nodes on nine graph data sets.

Reference: Qin et al., "NAS-Bench-Graph", NeurIPS 2022. Source, licence: `nas_env/data/README.md`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from nas_env.spaces.trie import listed
from nas_env.tables.base import TABLES, Embedded, Table, one_of
from nas_env.tasks.base import TaskSpec

DATASETS = (
    "arxiv",
    "citeseer",
    "computers",
    "cora",
    "cs",
    "photo",
    "physics",
    "proteins",
    "pubmed",
)
LINKS = 4  # values of the first four decisions: the input node, 0 is the raw input
NAMES = (*(f"input of node {i}" for i in range(1, 5)), *(f"node {i}" for i in range(1, 5)))


@TABLES.register("nasbench-graph")
def nasbench_graph(dataset: str | None = None) -> Table:
    """Load the table of one data set: 26,206 rows, or 2,021 for "proteins".

    Eight decisions: the input of each of four nodes, then the operation of each node. Columns:
    "valid" and "test", accuracies (area under the ROC curve for "proteins").

    Args:
        dataset: One of `DATASETS`. None: "cora".

    Raises:
        UnknownNameError: No such data set.
    """
    name = one_of("data set of 'nasbench-graph'", dataset, list(DATASETS), "cora")
    remedy = "python -m scripts.data nasbench_tables --source FOLDER"
    data = Embedded("nasbench_graph.npz", remedy, f"{name}.")
    operations = Embedded("nasbench_graph.npz", remedy)["operations"].tolist()
    walks = data["walks"].astype(np.int16)
    data.check(len(walks), "valid", "test", "params_m", "latency")
    walks[:, 4:] += LINKS
    labels = [*(f"read {node}" for node in range(LINKS)), *operations]
    full_name = f"nasbench-graph/{name}"

    return Table(
        name=full_name,
        walks=walks,
        columns={x: data[x].astype(np.float64) for x in ("valid", "test")},
        rewards={1: "valid"},  # one fidelity; the paper's schedules differ between data sets
        report="test",
        test_columns=frozenset({"test"}),
        make_space=partial(listed, full_name, walks, labels, NAMES),
        spec=TaskSpec(name, 1, "table", (), 1),
        metrics={
            "params": np.rint(data["params_m"].astype(np.float64) * 1e6).astype(np.int64),
            "latency_s": data["latency"].astype(np.float64),
        },
    )
