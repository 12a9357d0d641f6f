"""Resources of an evaluation on a Ray cluster, and the address of the cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas_env.errors import InvalidSettingError
from nas_env.evaluators.ray.cluster import MEGABYTE

LEAST_MB = 64


@dataclass(frozen=True)
class RaySettings:
    """Settings of `nas_env.evaluators.ray.Ray`; see there.

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
                "Ray settings cpus and gpus must not both be 0. Give cpus or gpus."
            )
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise InvalidSettingError(
                "Ray setting gpus must be a fraction of one or a whole number, got "
                f"{self.gpus}. Use {math.ceil(self.gpus)}."
            )

    def resources(self, network_mb: float, largest_mb: float | None) -> dict[str, float]:
        """Return the resources of an evaluation, as options of a Ray task.

        Memory is rounded to few distinct sizes, because Ray reuses a worker only for tasks with the
        same resources.

        Args:
            network_mb: Predicted memory of the network, in 10^6 bytes.
            largest_mb: Memory of the largest node, or None if unknown.
        """
        rounded = 2.0 ** math.ceil(math.log2(max(network_mb, LEAST_MB)))
        megabytes = min(self.memory_mb + rounded, largest_mb or math.inf)
        wanted = {"num_cpus": self.cpus, "memory": int(megabytes * MEGABYTE)}
        return wanted | ({"num_gpus": self.gpus} if self.gpus else {})


def _require_at_least(name: str, value: float, least: int) -> None:
    if value < least:
        raise InvalidSettingError(f"Ray setting {name} must be >= {least}, got {value}.")
