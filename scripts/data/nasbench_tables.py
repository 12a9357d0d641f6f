"""Convert the published benchmark tables to the small files that the package carries.

Reads the Parquet files of a folder of tables (`--source`), writes `.npz` files whose bytes depend
on the numbers only. Accuracies stay in percent, as published; the loaders turn them into fractions.
Accel-NASBench, which is a sample of its space, becomes the coefficients of a surrogate instead.

Example: python -m scripts.data nasbench_tables --source ../shared/data
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from scripts.data.accel_nasbench import fit, page
from scripts.data.datasets import DATA, write

Arrays = dict[str, NDArray[Any]]
EDGES = ("op_1_0", "op_2_0", "op_2_1", "op_3_0", "op_3_1", "op_3_2")
DATASETS = {"c10": "cifar10", "c100": "cifar100", "in16": "imagenet16-120"}
ACCURACIES = ("val_12", "test_12", "test_200")
GRAPH_NUMBERS = ("valid", "test", "latency", "params_m")


@dataclass(frozen=True)
class Options:
    """Convert the published benchmark tables to the small files that the package carries.

    Attributes:
        source: Folder with nb201.parquet, nb201_hw.parquet, nas_bench_macro.parquet,
            nas_bench_graph.parquet and accel_nasbench.parquet.
        output: Folder of the five files.
    """

    source: Path = Path("../shared/data")
    output: Path = DATA


def columns(path: Path) -> Arrays:
    """Return the columns of a Parquet file by name."""
    table = parquet.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


def stacked(table: Arrays, names: tuple[str, ...], kind: type) -> NDArray[Any]:
    """Return columns stacked to (rows, names)."""
    return np.stack([table[name] for name in names], axis=1).astype(kind)


def nasbench201(source: Path) -> Arrays:
    """Return cells (rows, 6), accuracies in percent by data set, seconds of a CIFAR-10 epoch."""
    table = columns(source / "nb201.parquet")
    arrays = {"walks": stacked(table, EDGES, np.int8)}
    for short, name in DATASETS.items():
        for column in ACCURACIES:
            arrays[f"{name}.{column}"] = table[f"{short}_{column}"].astype(np.float32)
        for column in ("params", "flops"):
            millions = np.asarray(table[f"{column}_m_{short}"], np.float64)
            arrays[f"{name}.{column}"] = np.rint(millions * 1e6).astype(np.int32)
    arrays["seconds_per_epoch"] = table["train_s_per_epoch_c10_est"].astype(np.float32)
    return arrays


def nasbench201_hardware(source: Path) -> Arrays:
    """Return latency (ms) and energy (mJ) by data set and device; NaN where not measured."""
    table = columns(source / "nb201_hw.parquet")
    arrays = {}
    for name in DATASETS.values():
        rows = table["dataset"] == name.replace("imagenet16-120", "ImageNet16-120")
        order = np.argsort(table["index"][rows])
        for column in table:
            if column.endswith(("_ms", "_mj")):
                arrays[f"{name}.{column}"] = table[column][rows][order].astype(np.float32)
    return arrays


def nasbench_macro(source: Path) -> Arrays:
    """Return walks (rows, 8), accuracies in percent (rows, 3 runs), parameters and operations."""
    table = columns(source / "nas_bench_macro.parquet")
    return {
        "walks": stacked(table, tuple(f"layer{i}" for i in range(1, 9)), np.int8),
        "accuracy": stacked(table, tuple(f"test_acc_{i}" for i in (1, 2, 3)), np.float32),
        "params": table["params"].astype(np.int32),
        "flops": table["flops"].astype(np.int32),
    }


def nasbench_graph(source: Path) -> Arrays:
    """Return rows by data set: input nodes, operations (numbers of `operations`) and figures."""
    table = columns(source / "nas_bench_graph.parquet")
    operations = sorted(set(np.unique(np.asarray(table["op_1"], dtype=str))))
    arrays: Arrays = {"operations": np.array(operations)}
    for name in sorted(set(np.asarray(table["dataset"], dtype=str))):
        rows = np.asarray(table["dataset"], dtype=str) == name
        links = [table[f"link_{i}"][rows] for i in range(1, 5)]
        ops = [
            np.searchsorted(operations, np.asarray(table[f"op_{i}"][rows], dtype=str))
            for i in range(1, 5)
        ]
        walks = np.stack([*links, *ops], axis=1).astype(np.int8)
        order = np.lexsort(walks.T[::-1])
        arrays[f"{name}.walks"] = walks[order]
        for column in GRAPH_NUMBERS:
            arrays[f"{name}.{column}"] = table[column][rows][order].astype(np.float32)
    return arrays


def accel_nasbench(source: Path) -> Arrays:
    """Return the surrogate and its held-out errors, see `scripts.data.accel_nasbench`."""
    return fit(columns(source / "accel_nasbench.parquet"))


MAKERS = {
    "nasbench201": nasbench201,
    "nasbench201_hardware": nasbench201_hardware,
    "nasbench_macro": nasbench_macro,
    "nasbench_graph": nasbench_graph,
    "accel_nasbench": accel_nasbench,
}


def run(settings: Options) -> int:
    """Write the files, and print their sizes and the errors of the last one, a surrogate."""
    settings.output.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        path = settings.output / f"{name}.npz"
        write(path, arrays := make(settings.source))
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    print(page(arrays))
    return 0
