"""Networks that are made of trained networks: ensembles, and networks with a temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Networks whose output is the mean of their probabilities, or of their predictions.

    Args:
        networks: The networks.
        problem: "classification" or "regression".

    Reference: Baker et al., "Designing Neural Network Architectures using Reinforcement Learning",
    ICLR 2017, section 5: the best networks of a search are trained longer and form an ensemble.
    """

    def __init__(self, networks: Sequence[nn.Module], problem: str = "classification") -> None:
        super().__init__()
        self.problem = problem
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, classes) log-probabilities of the mean probabilities, usable as logits.

        For regression, return (batch, 1) mean predictions.
        """
        outputs = torch.stack([network(x).float() for network in self.networks])
        if self.problem == "regression":
            return outputs.mean(dim=0)
        return outputs.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(self.networks))


class Tempered(nn.Module):
    """A classifier whose logits are divided by a temperature; see `nas_env.export.calibration`.

    Args:
        network: The classifier.
        temperature: Above 1, the probabilities become more even; the order of classes stays.
    """

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, classes) logits."""
        logits: Tensor = self.network(x) / self.temperature
        return logits
