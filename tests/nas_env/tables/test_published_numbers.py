"""The shipped numbers are the published ones, and those of the source files where they are here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nas_env.evaluation import Budget
from nas_env.evaluators.tabular import Tabular
from nas_env.tables import TABLES, TableTask
from tests.support.paths import SHARED

SOURCE = SHARED
GRAPH = ("valid", "test", "latency", "params_m")
SHORT = {"cifar10": "c10", "cifar100": "c100", "imagenet16-120": "in16"}
# Dong and Yang 2020: the best 200-epoch test accuracies, and those of the cell of skip connections.
BEST = {"cifar10": 0.9437, "cifar100": 0.7351, "imagenet16-120": 0.4731}
ALL_SKIP = {"cifar10": 0.5430, "cifar100": 0.1561, "imagenet16-120": 0.1632}


def source(name: str) -> dict[str, Any]:
    path = SOURCE / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside this checkout")
    from pyarrow import parquet

    table = parquet.read_table(path)
    return {column: table[column].to_numpy() for column in table.column_names}


@pytest.mark.parametrize("dataset", SHORT)
def test_nasbench201_has_the_papers_extremes(dataset: str) -> None:
    table = TABLES.get("nasbench201")(dataset=dataset)
    test = table.column("test_200")
    assert test.max() == pytest.approx(BEST[dataset], abs=5e-5)
    skip = (table.walks == 1).all(axis=1)
    assert test[skip].item() == pytest.approx(ALL_SKIP[dataset], abs=5e-5)


@pytest.mark.parametrize("dataset", SHORT)
def test_nasbench201_is_its_source(dataset: str) -> None:
    rows, short = source("nb201.parquet"), SHORT[dataset]
    table = TABLES.get("nasbench201")(dataset=dataset)
    edges = ("op_1_0", "op_2_0", "op_2_1", "op_3_0", "op_3_1", "op_3_2")
    assert np.array_equal(table.walks, np.stack([rows[x] for x in edges], axis=1))
    for column in ("val_12", "test_12", "test_200"):
        assert np.allclose(table.column(column) * 100, rows[f"{short}_{column}"], atol=1e-5)
    assert np.allclose(table.metrics["params"] / 1e6, rows[f"params_m_{short}"], atol=1e-6)
    assert np.allclose(table.metrics["macs"] / 1e6, rows[f"flops_m_{short}"], atol=1e-5)


def test_simulated_seconds_follow_the_papers_accounting() -> None:
    """A 12-epoch evaluation on CIFAR-10 is half of (12 + 0.353) epochs of 50,000 images."""
    rows = source("nb201.parquet")
    epoch = rows["train_s_per_epoch_c10_est"].astype(float)
    seconds = {name: TABLES.get("nasbench201")(dataset=name).seconds[12] / epoch for name in SHORT}
    assert np.allclose(seconds["cifar10"], 0.5 * 12.353)
    assert np.allclose(seconds["cifar100"], 12 + 0.0353)
    assert np.allclose(seconds["imagenet16-120"], 12 * 3.034 + 0.353 * 0.06)


@pytest.mark.parametrize(
    ("dataset", "images"), [("cifar10", 50_000), ("cifar100", 50_000), ("imagenet16-120", 151_700)]
)
def test_200_epochs_take_all_training_images(dataset: str, images: int) -> None:
    epoch = source("nb201.parquet")["train_s_per_epoch_c10_est"].astype(float)  # of 50,000 images
    found = TABLES.get("nasbench201")(dataset=dataset).seconds[200]
    assert np.allclose(found, 200 * images / 50_000 * epoch)


def test_the_hardware_is_its_source() -> None:
    rows = source("nb201_hw.parquet")
    table = TABLES.get("nasbench201")(dataset="cifar100")
    chosen = rows["dataset"] == "cifar100"
    index = rows["index"][chosen]
    checked = 0
    for device in table.hardware:
        for name, numbers in table.hardware[device].items():
            assert np.array_equal(numbers[index], rows[name][chosen], equal_nan=True)
            checked += 1
    assert checked == 9


def test_macro_has_the_papers_best_network() -> None:
    table = TABLES.get("nasbench-macro")()
    mean = table.column("test").mean(axis=1)
    assert mean.max() == pytest.approx(0.9313, abs=5e-5)
    best = table.walks[np.isclose(mean, mean.max(), atol=1e-9)].tolist()
    assert [2, 2, 2, 1, 2, 2, 2, 0] in best
    assert len(best) == 2  # one network: where in its stage the identity stands is the same
    rows = source("nas_bench_macro.parquet")
    walks = np.stack([rows[f"layer{i}"] for i in range(1, 9)], axis=1)
    assert np.array_equal(table.walks, walks.astype(int))
    runs = np.stack([rows[f"test_acc_{run}"] for run in (1, 2, 3)], axis=1)
    assert np.allclose(table.column("test") * 100, runs, atol=1e-4)
    assert np.array_equal(table.metrics["params"], rows["params"])
    assert np.array_equal(table.metrics["macs"], rows["flops"])
    first = Tabular(TableTask(table)).view(Budget(epochs=table.fidelity))
    assert np.allclose(first.reward * 100, runs[:, 0], atol=1e-4)
    assert np.allclose(first.report * 100, runs[:, 1:].mean(axis=1), atol=1e-4)


@pytest.mark.parametrize(("dataset", "size"), [("cora", 26_206), ("proteins", 2_021)])
def test_graph_is_its_source(dataset: str, size: int) -> None:
    table = TABLES.get("nasbench-graph")(dataset=dataset)
    assert len(table.walks) == size
    rows = source("nas_bench_graph.parquet")
    chosen = np.asarray(rows["dataset"], dtype=str) == dataset
    expected = {
        tuple(rows[f"link_{i}"][k] for i in range(1, 5))
        + tuple(str(rows[f"op_{i}"][k]) for i in range(1, 5)): [rows[x][k] for x in GRAPH]
        for k in np.flatnonzero(chosen)[::97]
    }
    labels = [option.label for option in table.make_space(None).options()]
    view = Tabular(TableTask(table)).view(Budget(epochs=table.fidelity))
    millions = table.metrics["params"] / 1e6
    numbers = np.stack([view.reward, view.report, table.metrics["latency_s"], millions], axis=1)
    found = {
        tuple(walk[:4]) + tuple(labels[x] for x in walk[4:]): value
        for walk, value in zip(table.walks.tolist(), numbers, strict=True)
    }
    assert expected
    for key, value in expected.items():
        assert found[key] == pytest.approx(np.array(value, dtype=float), rel=1e-5, abs=1e-6)
