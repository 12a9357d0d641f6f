"""What one evaluation asks of a Ray cluster, and where the cluster is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas_env.errors import InvalidSettingError
from nas_env.evaluators.ray.cluster import MEGABYTE

LEAST_MB = 64


@dataclass(frozen=True)
class RaySettings:
    """Settings of `nas_env.evaluators.ray.Ray`, which describes them.

    Raises:
        InvalidSettingError: A setting is out of range.
    """

    address: str
    cpus: float = 1.0
    gpus: float = 0.0
    memory_mb: float = 1000.0
    max_retries: int = 3
    slots: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("cpus", 0), ("gpus", 0), ("memory_mb", 0), ("max_retries", 0)):
            _require_at_least(name, getattr(self, name), least)
        if self.slots is not None:
            _require_at_least("slots", self.slots, 1)
        if self.cpus == self.gpus == 0:
            raise InvalidSettingError(
                "An evaluation needs a CPU or a GPU, but cpus=0 and gpus=0. Give cpus or gpus."
            )
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise InvalidSettingError(
                "Ray setting gpus must be a fraction of one or a whole number, got "
                f"{self.gpus}. Use {math.ceil(self.gpus)}."
            )

    def resources(self, network_mb: float, largest_mb: float | None) -> dict[str, float]:
        """Return the resources of an evaluation, as options of a Ray task.

        There are few distinct sizes of memory, because Ray keeps workers by what they asked for.

        Args:
            network_mb: Predicted memory of the network, in 10^6 bytes.
            largest_mb: Memory of the largest node, or None where it is unknown.
        """
        rounded = 2.0 ** math.ceil(math.log2(max(network_mb, LEAST_MB)))
        megabytes = min(self.memory_mb + rounded, largest_mb or math.inf)
        wanted = {"num_cpus": self.cpus, "memory": int(megabytes * MEGABYTE)}
        return wanted | ({"num_gpus": self.gpus} if self.gpus else {})


def _require_at_least(name: str, value: float, least: int) -> None:
    if value < least:
        raise InvalidSettingError(
            f"Ray setting {name} must be >= {least}, got {value}. Give a larger one."
        )
