"""`nasbench201`: 15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120.

References: Dong and Yang, "NAS-Bench-201", ICLR 2020; Dong et al., "NATS-Bench", TPAMI 2021;
Li et al., "HW-NAS-Bench", ICLR 2021. Sources and licences: `nas_env/data/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from nas_env.tables.base import TABLES, Embedded, Numbers, Table, one_of, space_of
from nas_env.tasks.base import TaskSpec

REMEDY = "python -m scripts.data nasbench_tables --source FOLDER"
SPECS = {
    "cifar10": TaskSpec("cifar10", 1, "image", (3, 32, 32), 10),
    "cifar100": TaskSpec("cifar100", 1, "image", (3, 32, 32), 100),
    "imagenet16-120": TaskSpec("imagenet16-120", 1, "image", (3, 16, 16), 120),
}
NETWORKS = 5**6
COLUMNS = ("val_12", "test_12", "test_200")
DEVICES = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
# Training images per epoch of the 12-epoch schedule, and validation images, by data set. A training
# image takes 1/50,000 of the measured epoch on CIFAR-10, a validation image 0.353 times as long.
IMAGES = {"cifar10": (25_000, 25_000), "cifar100": (50_000, 5_000)}
IMAGES["imagenet16-120"] = (151_700, 3_000)
FULL_IMAGES = {**{name: images[0] for name, images in IMAGES.items()}, "cifar10": 50_000}
EPOCH_IMAGES = 50_000
MEASURING = 0.353


@TABLES.register("nasbench201")
def nasbench201(dataset: str | None = None) -> Table:
    """Load the table of one data set.

    Columns: "val_12" and "test_12" after the 12-epoch schedule, "test_200" after 200 epochs, each
    the mean of the authors' seeds. The table has no 200-epoch validation accuracy. The reward
    "test_200" searches the test split, and gives an upper bound on the result of a search.

    Args:
        dataset: "cifar10", "cifar100" or "imagenet16-120". None: "cifar10".

    Raises:
        UnknownNameError: No such data set.
    """
    name = one_of("data set of 'nasbench201'", dataset, SPECS, "cifar10")
    cells, own = (
        Embedded("nasbench201.npz", REMEDY),
        Embedded("nasbench201.npz", REMEDY, f"{name}."),
    )
    spec = SPECS[name]
    cells.check(NETWORKS, "walks", "seconds_per_epoch")
    own.check(NETWORKS, *COLUMNS, "params", "flops")

    return Table(
        name=f"nasbench201/{name}",
        walks=cells["walks"].astype(np.int16),
        columns={x: own[x].astype(np.float64) / 100 for x in COLUMNS},
        rewards={12: "val_12", 200: "test_200"},
        report="test_200",
        test_columns=frozenset({"test_12", "test_200"}),
        make_space=partial(space_of, spec, "nasbench201"),
        spec=spec,
        metrics={"params": own["params"], "macs": own["flops"]},
        seconds=_seconds(name, cells["seconds_per_epoch"].astype(np.float64)),
        hardware=Hardware(name),
    )


def _seconds(name: str, epoch: Numbers) -> dict[int, Numbers]:
    """Return the simulated seconds of a 12-epoch and of a 200-epoch evaluation, (rows,) each.

    `epoch` is the time for 50,000 CIFAR-10 images, from a linear fit to measurements. An evaluation
    consists of training and, for 12 epochs, one pass over the validation images.
    """
    train, validation = IMAGES[name]
    short = (12 * train + MEASURING * validation) / EPOCH_IMAGES
    return {12: short * epoch, 200: 200 * FULL_IMAGES[name] / EPOCH_IMAGES * epoch}


class Hardware(Mapping[str, Mapping[str, Numbers]]):
    """Latency and energy of HW-NAS-Bench by device, read on access."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset

    def __getitem__(self, device: str) -> Mapping[str, Numbers]:
        if device not in DEVICES:
            raise KeyError(device)
        prefix = f"{self.dataset}.{device}_"
        columns = Embedded("nasbench201_hardware.npz", REMEDY, prefix)
        columns.check(NETWORKS, *columns)
        return {f"{device}_{name}": columns[name].astype(np.float64) for name in columns}

    def __iter__(self) -> Iterator[str]:
        return iter(DEVICES)

    def __len__(self) -> int:
        return len(DEVICES)
