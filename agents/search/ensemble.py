"""Several networks that answer together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Networks whose answer is the mean of their probabilities.

    Reference: Baker et al., "Designing Neural Network Architectures using Reinforcement Learning",
    ICLR 2017, section 5: the best networks of a search are trained on and answer together.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithms of the mean probabilities, (batch, classes): logits as well."""
        logs = torch.stack([network(x).float().log_softmax(dim=1) for network in self.networks])
        return logs.logsumexp(dim=0) - torch.tensor(float(len(self.networks))).log()
