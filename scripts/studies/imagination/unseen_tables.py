"""Tables not used during the development of the agent, chosen by a rule.

The rule was committed before any result on them was available:

1. NASChain-v0, whose walks are of unequal length.
2. Of the 32 columns of accuracy under attack in `nb201_robust.parquet` every eighth in the order of
   the file: aa_square_eps0.1, fgsm_eps0.5, fgsm_eps8.0, pgd_eps8.0. The prototype was tried on
   aa_square_eps1.0 and fgsm_eps1.0, which the rule does not select.
3. Of the data sets of NAS-Bench-Graph that have all 26,206 rows the first and the last by name:
   arxiv and pubmed.
4. `ecnas_nb101_small.parquet`: all its cells, rewarded by `val_acc`, the mean of repeats.

All results are reported. The agent has its default settings.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

EVERY = 8
GRAPHS = ("arxiv", "pubmed")
EDGES = 10  # of a cell of five nodes, above the diagonal of its adjacency matrix
INNER = 3  # its nodes between input and output


def unseen(source: Path, folder: Path) -> dict[str, str]:
    """Make the tables of the rule and return their environments by label.

    Args:
        source: Folder with the benchmark tables.
        folder: Folder for the new tables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graphs = {f"graph-{x}": f"graph-{x}=NASBenchGraph-v0:dataset={x}" for x in GRAPHS}
    return {**robust(source, folder), **graphs, **small_cells(source, folder)}


def robust(source: Path, folder: Path) -> dict[str, str]:
    """Return environments of NAS-Bench-201's cells, rewarded by their accuracy under attack."""
    attacked = pq.read_table(source / "nb201_robust.parquet").to_pandas()
    cells = pq.read_table(source / "nb201.parquet").to_pandas()
    decisions = [name for name in cells.columns if name.startswith("op_")]
    columns = [name for name in attacked.columns if name != "index"][EVERY - 1 :: EVERY]
    table = cells[["index", *decisions]].merge(attacked[["index", *columns]], on="index")
    path = folder / "robust.parquet"
    table.drop(columns="index").to_parquet(path)
    return {name: _environment(name, path, decisions, name) for name in columns}


def small_cells(source: Path, folder: Path) -> dict[str, str]:
    """Return the environment of NAS-Bench-101's cells of at most five nodes.

    The decisions are the number of nodes, the edges above the diagonal row by row, and the
    operations of the inner nodes; a smaller cell has fewer of each, so its walk is shorter.
    """
    rows = pq.read_table(source / "ecnas_nb101_small.parquet").to_pandas()
    rows = rows.groupby(["n_nodes", "adjacency", "ops"], as_index=False)["val_acc"].mean()
    names = ["nodes", *(f"edge_{i}" for i in range(EDGES)), *(f"op_{i}" for i in range(INNER))]
    table_rows = []
    for nodes, adjacency, operations, accuracy in rows.itertuples(index=False):
        matrix = [adjacency[i * nodes : (i + 1) * nodes] for i in range(nodes)]
        edges = [f"edge {matrix[i][j]}" for i in range(nodes) for j in range(i + 1, nodes)]
        inner = operations.split("|")[1:-1]
        walk = [f"{nodes} nodes", *edges, *inner]
        table_rows.append([*walk, *[None] * (len(names) - len(walk)), accuracy])
    path = folder / "nb101-small.parquet"
    pd.DataFrame(table_rows, columns=[*names, "val_acc"]).to_parquet(path)
    return {"nb101-small": _environment("nb101-small", path, names, "val_acc")}


def _environment(label: str, path: Path, decisions: list[str], reward: str) -> str:
    columns = json.dumps(decisions, separators=(",", ":"))
    return f"{label}=NASTable-v0:path={path},decisions={columns},reward={reward}"
