"""Layers that are a graph of other layers, with one or several inputs."""

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
    """A layer that is a graph of other layers."""

    @abstractmethod
    def graph(self, layer: Layer, inputs: Sequence[Shape]) -> Sequence[Layer]:
        """Return the parts in order of computation; every part names its input nodes.

        The inputs are nodes 0, 1, ...; the parts are the next nodes. The last part is the output.

        Raises:
            InvalidArchitectureError: The layer does not accept these inputs.
        """

    def parts(self, layer: Layer, inputs: Sequence[Shape]) -> Iterator[Placed]:
        """Yield the parts with their input shapes."""
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
    """Builder of the parts of a graph.

    Args:
        inputs: Number of nodes before the first part.
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.layers: list[Layer] = []

    def add(self, layer: Layer) -> int:
        """Add a part with its input nodes, and return its node."""
        self.layers.append(layer)
        return self.inputs + len(self.layers) - 1

    def chain(self, node: int, chain: Chain) -> int:
        """Add a chain of layers that reads a node, and return its last node."""
        for layer in chain:
            node = self.add(Layer(layer.kind, layer.settings, (node,)))
        return node

    def merge(self, kind: str, nodes: Sequence[int], channels: int | None = None) -> int:
        """Add a sum or a concatenation, and return its node.

        Args:
            kind: "add" or "concat".
            nodes: The input nodes.
            channels: If given, ReLU, a 1x1 convolution and normalisation reduce a concatenation to
                this number of channels.
        """
        node = self.add(Layer.of(kind, inputs=nodes))
        if kind == "add" or channels is None:
            return node
        return self.chain(node, relu_conv_bn(channels, 1))
