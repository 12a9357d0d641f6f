"""The torch modules of the merge layers; separate to avoid importing torch elsewhere."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """Sum of all inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the sum, (batch, *shape)."""
        return reduce(torch.add, inputs)


class Concat(nn.Module):
    """Concatenation of all inputs along the first axis after the batch."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the concatenation, (batch, sum of channels, *rest)."""
        return torch.cat(inputs, dim=1)


MERGES: dict[str, type[nn.Module]] = {"add": Add, "concat": Concat}
