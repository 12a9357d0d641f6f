"""Layers that are a graph of other layers over one or several inputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.layers.base import LayerType, layer_type
from nas_env.layers.composite import Chain, Placed

if TYPE_CHECKING:
    from torch import nn


class Graph(LayerType):
    """A layer whose parts read each other; its rules are the sums of their rules."""

    @abstractmethod
    def graph(self, layer: Layer, inputs: Sequence[Shape]) -> Sequence[Layer]:
        """Return its parts in order; the inputs are nodes 0, 1, ..., the parts come after them.

        The last part's output is the layer's. Every part names what it reads.

        Raises:
            InvalidArchitectureError: The layer does not accept these inputs.
        """

    def placed(self, layer: Layer, inputs: Sequence[Shape]) -> Iterator[Placed]:
        """Yield its parts, each with the shapes that it reads."""
        shapes = list(inputs)
        for part in self.graph(layer, inputs):
            reads = tuple(shapes[node] for node in part.inputs)
            shapes.append(layer_type(part).output_shape(part, reads))
            yield part, reads

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the last part."""
        part, reads = list(self.placed(layer, inputs))[-1]
        return layer_type(part).output_shape(part, reads)

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the parameters of all parts."""
        return sum(layer_type(x).params(x, reads) for x, reads in self.placed(layer, inputs))

    def macs(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the multiply-accumulates of all parts."""
        return sum(layer_type(x).macs(x, reads) for x, reads in self.placed(layer, inputs))

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of what all parts put out."""
        parts = self.placed(layer, inputs)
        return sum(layer_type(x).activation_bytes(x, reads) for x, reads in parts)

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the graph of modules."""
        from nas_env.graph_module import GraphModule

        placed = list(self.placed(layer, inputs))
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
