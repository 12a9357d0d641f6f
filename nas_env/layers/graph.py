"""Layers that are a graph of other layers over one or several inputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.layers.base import layer_type
from nas_env.layers.composite import Chain, Compound, Placed
from nas_env.layers.residual import relu_conv_bn

if TYPE_CHECKING:
    from torch import nn


class Graph(Compound):
    """A layer whose parts read each other."""

    @abstractmethod
    def graph(self, layer: Layer, inputs: Sequence[Shape]) -> Sequence[Layer]:
        """Return its parts in order; the inputs are nodes 0, 1, ..., the parts come after them.

        The last part's output is the layer's. Every part names what it reads.

        Raises:
            InvalidArchitectureError: The layer does not accept these inputs.
        """

    def parts(self, layer: Layer, inputs: Sequence[Shape]) -> Iterator[Placed]:
        """Yield its parts, each with the shapes that it reads."""
        shapes = list(inputs)
        for part in self.graph(layer, inputs):
            reads = tuple(shapes[node] for node in part.inputs)
            shapes.append(layer_type(part).output_shape(part, reads))
            yield part, reads

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the last part."""
        part, reads = list(self.parts(layer, inputs))[-1]
        return layer_type(part).output_shape(part, reads)

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the graph of modules."""
        from nas_env.graph_module import GraphModule

        placed = list(self.parts(layer, inputs))
        modules = [layer_type(part).build(part, reads) for part, reads in placed]
        return GraphModule(modules, [part.inputs for part, _ in placed], len(inputs))


class Parts:
    """The parts of a graph in the making.

    Args:
        inputs: How many nodes there are before the first part.
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.layers: list[Layer] = []

    def add(self, layer: Layer) -> int:
        """Add a part, which names what it reads, and return its node."""
        self.layers.append(layer)
        return self.inputs + len(self.layers) - 1

    def chain(self, node: int, chain: Chain) -> int:
        """Add a chain of layers over a node and return its last node."""
        for layer in chain:
            node = self.add(Layer(layer.kind, layer.settings, (node,)))
        return node

    def merge(self, kind: str, nodes: Sequence[int], channels: int | None = None) -> int:
        """Add a sum or a concatenation and return its node.

        Args:
            kind: "add" or "concat".
            nodes: What it reads.
            channels: Where given, a concatenation goes through ReLU, a 1x1 convolution and
                normalisation to so many.
        """
        node = self.add(Layer.of(kind, inputs=nodes))
        if kind == "add" or channels is None:
            return node
        return self.chain(node, relu_conv_bn(channels, 1))
