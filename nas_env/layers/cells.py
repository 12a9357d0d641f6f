"""The cell of NAS-Bench-201, and the zero operation of its missing edges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import LayerType, positive, register_layer, single, spatial
from nas_env.layers.composite import Chain, Composite, chain_module
from nas_env.layers.residual import relu_conv_bn

if TYPE_CHECKING:
    from torch import nn

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NODES = 4
EDGES = tuple((source, target) for target in range(1, NODES) for source in range(target))
PATTERN = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"


@register_layer("zero")
class Zero(LayerType):
    """Zeros in the shape of the input: a missing edge. No settings."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        return single(layer, inputs)

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return a module that multiplies by zero."""
        from nas_env.layers._branch_modules import Zero

        return Zero()

    def label(self, layer: Layer) -> str:
        """Return the kind."""
        return "zero"


def cell_text(operations: Sequence[int]) -> str:
    """Return the official text of a NAS-Bench-201 cell from the operations of its six edges."""
    return PATTERN.format(*[OPERATIONS[operation] for operation in operations])


@lru_cache(maxsize=20_000)
def cell_operations(text: str) -> tuple[int, ...]:
    """Return the operations of the six edges of a cell from its official text.

    Raises:
        InvalidArchitectureError: The text is not a cell of NAS-Bench-201.
    """
    names = [edge.split("~")[0] for node in text.split("+") for edge in node.strip("|").split("|")]
    if len(names) == len(EDGES) and set(names) <= set(OPERATIONS):
        operations = tuple(OPERATIONS.index(name) for name in names)
        if cell_text(operations) == text:
            return operations
    raise InvalidArchitectureError(
        f"Cell {text!r} is not a NAS-Bench-201 cell. Write |op~0|+|op~0|op~1|+|op~0|op~1|op~2| "
        f"with the operations {', '.join(OPERATIONS)}."
    )


@lru_cache(maxsize=1000)
def edge_chain(operation: int, channels: int) -> Chain:
    """Return the layers of an edge of a NAS-Bench-201 cell; an empty chain for the identity."""
    return {
        "none": (Layer.of("zero"),),
        "skip_connect": (),
        "nor_conv_1x1": relu_conv_bn(channels, 1),
        "nor_conv_3x3": relu_conv_bn(channels, 3),
        "avg_pool_3x3": (Layer.of("local-average-pool", kernel=3, stride=1),),
    }[OPERATIONS[operation]]


@register_layer("nasbench201-cell")
class NASBench201Cell(Composite):
    """Cells of NAS-Bench-201: four nodes, an operation on each of the six edges between them.

    Settings: channels (in and out), cell (the official text
    "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"), repeats (1; number of consecutive cells). Node 0 is the
    input, each later node the sum of its edges, node 3 the output. Every edge is computed and
    counted, even if no node uses it, as in the published parameters and FLOPs. The label shows the
    operations by number.

    Reference: Dong and Yang, ICLR 2020.
    """

    def shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the input; raise if it has another number of channels."""
        positive(layer, "channels", optional=["repeats"])
        shape = spatial(layer, inputs)
        if shape[0] != layer["channels"]:
            raise InvalidArchitectureError(
                f"A cell of {layer['channels']} channels needs an input with the same number of "
                f"channels, got {shape[0]}. Place a convolution or a residual block before it."
            )
        return shape

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        cell_operations(layer["cell"])
        return self.shape(layer, inputs)

    def chains(self, layer: Layer, shape: Shape) -> Sequence[Chain]:
        """Return the layers of each edge of all cells."""
        edges = [edge_chain(operation, shape[0]) for operation in cell_operations(layer["cell"])]
        return edges * int(layer.get("repeats", 1))

    def sums(self, layer: Layer, shape: Shape) -> int:
        """Return 2 per cell, because nodes 2 and 3 add several edges."""
        return (NODES - 2) * int(layer.get("repeats", 1))

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the modules of all cells."""
        from torch import nn

        from nas_env.layers._branch_modules import Cell

        shape, count = self.shape(layer, inputs), len(EDGES)
        modules = [chain_module(chain, shape) for chain in self.chains(layer, shape)]
        starts = range(0, len(modules), count)
        return nn.Sequential(*(Cell(modules[start : start + count], NODES) for start in starts))

    def label(self, layer: Layer) -> str:
        """Return the operation numbers of each node, such as "3|03|101", and the repeats."""
        digits = "".join(map(str, cell_operations(layer["cell"])))
        times = f" x{layer['repeats']}" if layer.get("repeats", 1) != 1 else ""
        return f"nasbench201-cell {digits[0]}|{digits[1:3]}|{digits[3:]}{times}"
