"""The torch modules of layers with several paths; separate to avoid importing torch elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nas_env.layers._merge_modules import Add


class Zero(nn.Module):
    """Zeros of the input's shape, connected to the graph so that gradients are 0, not None."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros, (batch, *shape)."""
        return x * 0.0


class Paths(nn.Module):
    """A list of modules, where None is the identity."""

    def __init__(self, modules: Sequence[nn.Module | None]) -> None:
        super().__init__()
        self.paths = nn.ModuleDict({str(i): m for i, m in enumerate(modules) if m is not None})
        self.add = Add()

    def path(self, number: int, x: Tensor) -> Tensor:
        """Return the output of a path."""
        name = str(number)
        return self.paths[name](x) if name in self.paths else x


class SumOf(Paths):
    """Sum of paths that all read the input."""

    def __init__(self, modules: Sequence[nn.Module | None]) -> None:
        super().__init__(modules)
        self.count = len(modules)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, (batch, *shape)."""
        total: Tensor = self.add(*(self.path(number, x) for number in range(self.count)))
        return total


class Cell(Paths):
    """A complete directed acyclic graph; path i is the i-th edge, sorted by target and source.

    Node 0 is the input. Each later node is the sum over the edges from all earlier nodes. The last
    node is the output.
    """

    def __init__(self, modules: Sequence[nn.Module | None], nodes: int) -> None:
        super().__init__(modules)
        self.nodes = nodes

    def forward(self, x: Tensor) -> Tensor:
        """Return the last node, (batch, *shape)."""
        values, edge = [x], 0
        for target in range(1, self.nodes):
            terms = [self.path(edge + source, values[source]) for source in range(target)]
            values.append(self.add(*terms) if len(terms) > 1 else terms[0])
            edge += target
        return values[-1]


class Product(nn.Module):
    """The product of two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the product, (batch, *shape)."""
        return x * y


class SqueezeExcite(nn.Module):
    """Squeeze and excitation: channel weights computed from the global average of the map."""

    def __init__(self, channels: int, squeezed: int, activation: nn.Module | None) -> None:
        super().__init__()
        between = [] if activation is None else [activation]
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            *between,
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )
        self.product = Product()

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted map, (batch, channels, height, width)."""
        weighted: Tensor = self.product(x, self.weights(x))
        return weighted
