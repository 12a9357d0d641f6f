"""The torch module of an architecture that is not a plain chain."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class GraphModule(nn.Module):
    """Modules in order of computation; module i reads the nodes `reads[i]`.

    The first nodes are the inputs, by default one; the outputs of the modules follow.
    """

    def __init__(
        self, modules: Sequence[nn.Module], reads: Sequence[tuple[int, ...]], inputs: int = 1
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.nodes = nn.ModuleList(modules)
        self.reads = [tuple(nodes) for nodes in reads]
        last = {node: index for index, nodes in enumerate(self.reads) for node in nodes}
        self.drops = [[n for n, i in last.items() if i == index] for index in range(len(reads))]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the output of the last module; each tensor is released after its last use."""
        values = dict(enumerate(inputs))
        for index, module in enumerate(self.nodes):
            values[index + self.inputs] = module(*(values[node] for node in self.reads[index]))
            for node in self.drops[index]:
                del values[node]
        return values[len(self.nodes) + self.inputs - 1]
