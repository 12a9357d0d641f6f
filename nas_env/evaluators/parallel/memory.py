"""The available memory, the memory of a process, and a limit on it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

LINUX = sys.platform == "linux"
SHARE = 0.8  # of the available memory; the rest is for the parent and the system
CGROUP = Path("/sys/fs/cgroup")


def available_mb() -> float:
    """Return the memory that is available to processes, in 10^6 bytes."""
    bounds = [_system_mb()]
    limit, used = _number(CGROUP / "memory.max"), _number(CGROUP / "memory.current")
    if limit is not None and used is not None:
        bounds.append((limit - used) / 1e6)
    return max(1.0, min(bounds))


def _system_mb() -> float:
    if LINUX:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 / 1e6
    if hasattr(os, "sysconf"):  # the total, because the available memory is unknown
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 4000.0


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None


def data_mb() -> float:
    """Return the data memory of this process, as RLIMIT_DATA counts it; 0 if unknown."""
    if not LINUX:
        return 0.0
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def limit_data(megabytes: float) -> None:
    """Limit the data memory of this process; has an effect on Linux only."""
    if sys.platform != "linux":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = int(megabytes * 1e6)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


class Limit:
    """Memory limit of an evaluation in a worker process.

    Args:
        device: "cpu", or the GPU on which the evaluator trains.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.on_gpu = device.startswith("cuda")
        self.device_mb = 0.0
        if self.on_gpu:
            import torch

            self.device_mb = torch.cuda.mem_get_info(device)[1] / 1e6
        self._base_mb = data_mb()
        self._limit_mb = 0.0

    def set(self, megabytes: float) -> None:
        """Set the limit of the next evaluation, in 10^6 bytes."""
        if self.on_gpu:
            import torch

            share = min(1.0, megabytes / self.device_mb)
            torch.cuda.set_per_process_memory_fraction(share, self.device)
        elif megabytes != self._limit_mb:
            limit_data(self._base_mb + megabytes)
        self._limit_mb = megabytes

    def release(self) -> None:
        """Release the cached memory of the GPU allocator for other workers."""
        if self.on_gpu:
            import torch

            torch.cuda.empty_cache()

    @property
    def half_used(self) -> bool:
        """Whether more than half of the limit stays in use after an evaluation."""
        return not self.on_gpu and data_mb() - self._base_mb > self._limit_mb / 2
