"""The torch module of an architecture that is not a plain chain."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class GraphModule(nn.Module):
    """Modules in order of computation; module i reads the nodes `reads[i]` (0 is the input)."""

    def __init__(self, modules: Sequence[nn.Module], reads: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(modules)
        self.reads = [tuple(nodes) for nodes in reads]
        last = {node: index for index, nodes in enumerate(self.reads) for node in nodes}
        self.drops = [[n for n, i in last.items() if i == index] for index in range(len(reads))]

    def forward(self, x: Tensor) -> Tensor:
        """Return the last module's output; tensors are let go after their last reader."""
        values: dict[int, Tensor] = {0: x}
        for index, module in enumerate(self.nodes):
            values[index + 1] = module(*(values[node] for node in self.reads[index]))
            for node in self.drops[index]:
                del values[node]
        return values[len(self.nodes)]
