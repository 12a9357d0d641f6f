"""`accel-nasbench`: ImageNet accuracy and speed on six accelerators for the space `mobile`.

A quadratic ridge regression by this project on the networks published with Accel-NASBench, not one
of the authors' surrogates. It is fitted to sampled networks, so predictions for all other networks,
especially for its optimum, are extrapolations. Predictions for the best network of a search are too
optimistic, because the search also selects the errors of the model.

Reference: Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS", 2024.
Source and licence: `nas_env/data/README.md`.
"""

from __future__ import annotations

import numpy as np

from nas_env.spaces import SPACES
from nas_env.surrogates.base import SURROGATES, Errors, Quadratic, Surrogate, legal_by_position
from nas_env.tables.base import Embedded
from nas_env.tasks.base import TaskSpec

SPACE = "mobile"
SPEC = TaskSpec("imagenet", 1, "image", (3, 224, 224), 1000)
FILE, REMEDY = "accel_nasbench.npz", "python -m scripts.data nasbench_tables --source FOLDER"
ACCURACIES = ("accuracy", "accuracy_top5")
HARDWARE = {
    "zcu102": ("latency_ms", "throughput_img_s"),
    "vck190": ("latency_ms", "throughput_img_s"),
    "a100": ("throughput_img_s",),
    "rtx3090": ("throughput_img_s",),
    "tpuv2": ("throughput_img_s",),
    "tpuv3": ("throughput_img_s",),
}
TARGETS = (
    *ACCURACIES,
    "simulated_seconds",
    *(f"{device}_{metric}" for device, metrics in HARDWARE.items() for metric in metrics),
)

TOP = ("best", "excess", "top_tau")  # of the accuracy, see `Surrogate`


def model() -> Quadratic:
    """Return the feature model for walks of the space `mobile`."""
    return Quadratic(legal_by_position(SPACES.get(SPACE)(SPEC.input_shape, SPEC.num_outputs)))


@SURROGATES.register("accel-nasbench")
def accel_nasbench() -> Surrogate:
    """Return the surrogate.

    Metrics:

    * "accuracy" and "accuracy_top5": validation accuracies on ImageNet after the authors' shortened
      schedule, one seed;
    * "simulated_seconds": the time of that training;
    * latency (ms) on the FPGA boards ZCU102 and VCK190;
    * throughput (images per second) on these boards, on the GPUs A100 and RTX 3090, and on TPU v2
      and v3.

    `scripts/data/accel_nasbench.py` creates the file.

    Raises:
        InvalidDataError: The file is missing or damaged.
    """
    data, features = Embedded(FILE, REMEDY), model()
    data.check(len(TOP), "top")
    data.check(1, "networks")
    weights, errors = {}, {}
    for name in TARGETS:
        own = Embedded(FILE, REMEDY, f"{name}.")
        own.check(features.num_features, "weights")
        own.check(len(Errors._fields), "errors")
        weights[name] = own["weights"].astype(np.float64)
        errors[name] = Errors(*own["errors"].astype(np.float64).tolist())

    return Surrogate(
        name="accel-nasbench",
        space=SPACE,
        spec=SPEC,
        model=features,
        weights=weights,
        errors=errors,
        accuracies=frozenset(ACCURACIES),
        hardware=HARDWARE,
        networks=int(data["networks"][0]),
        **dict(zip(TOP, data["top"].astype(np.float64).tolist(), strict=True)),
    )
