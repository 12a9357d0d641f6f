"""Samples in a memory map, indexed like a tensor and standardised batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas_env.sources.storage import ArrayLike


class Streamed:
    """Standardised samples of one split; only the indexed samples are read into memory.

    Args:
        x: (n, *shape) the samples of all splits, any number type.
        rows: (m,) the rows of this split.
        mean: (*shape) or broadcastable to it; subtracted from each sample.
        sd: Standard deviation; each sample is divided by it.
        device: Device of the batches.
    """

    def __init__(
        self,
        x: ArrayLike,
        rows: NDArray[np.int64],
        mean: NDArray[np.float32],
        sd: NDArray[np.float32],
        device: str,
    ) -> None:
        self._x, self._rows, self._mean, self._sd = x, rows, mean, sd
        self.device = torch.device(device)
        self.shape = (len(rows), *x.shape[1:])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: Tensor | slice) -> Tensor:
        index: Any = part if isinstance(part, slice) else part.cpu().numpy()
        batch = standardised(self._x[self._rows[index]], self._mean, self._sd)
        tensor = torch.from_numpy(batch).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def standardised(
    x: NDArray[Any], mean: NDArray[np.float32], sd: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (x - mean) / sd as a contiguous float32 array."""
    return np.ascontiguousarray((x.astype(np.float32, copy=False) - mean) / sd, dtype=np.float32)
