"""The cell of NASNet and its relatives: blocks of two operations over two earlier states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import positive, register_layer, stride_text
from nas_env.layers.composite import Chain
from nas_env.layers.graph import Graph, Parts
from nas_env.layers.pooling import local_pool
from nas_env.layers.residual import relu_conv_bn

INPUTS = 2  # the two cells before
COMBINES = ("add", "concat")
RELU = Layer.of("activation", activation="relu")


class Block(NamedTuple):
    """Two states that are read, an operation on each, and how the results are combined.

    Attributes:
        inputs: Numbers of the states: 0 the cell before the last, 1 the last cell, then blocks.
        operations: Names in `OPERATIONS`.
        combine: "add" or "concat".
    """

    inputs: tuple[int, int]
    operations: tuple[str, str]
    combine: str


def separable(channels: int, kernel: int, stride: int) -> Chain:
    """Return ReLU, depthwise and pointwise convolution and normalisation, twice."""
    point = pointwise(channels)
    first, second = (depthwise(channels, kernel, step) for step in (stride, 1))
    return (RELU, first, point, RELU, second, point)


def pointwise(channels: int) -> Layer:
    """Return a 1x1 convolution and normalisation."""
    return Layer.of("conv", channels=channels, kernel=1, activation="none")


def depthwise(channels: int, kernel: int, stride: int, dilation: int = 1) -> Layer:
    """Return a convolution of each channel by itself, without anything after it."""
    settings: dict[str, Any] = {"stride": stride} if stride != 1 else {}
    settings |= {"dilation": dilation} if dilation != 1 else {}
    return Layer.of(
        "conv",
        channels=channels,
        kernel=kernel,
        groups=channels,
        batch_norm=False,
        bias=False,
        activation="none",
        **settings,
    )


def _crossed(channels: int, length: int, stride: int) -> Chain:
    """Return ReLU, 1 x n, ReLU and n x 1 convolutions, each normalised."""
    step: dict[str, Any] = {"stride": stride} if stride != 1 else {}
    first = Layer.of(
        "conv", channels=channels, kernel=1, kernel_width=length, activation="none", **step
    )
    second = Layer.of("conv", channels=channels, kernel=length, kernel_width=1, activation="none")
    return (RELU, first, RELU, second)


def _dilated(channels: int, kernel: int, stride: int) -> Chain:
    """Return ReLU, dilated depthwise and pointwise convolution and normalisation."""
    return (RELU, depthwise(channels, kernel, stride, dilation=2), pointwise(channels))


OPERATIONS = (
    "identity",
    "conv-1x3-3x1",
    "conv-1x7-7x1",
    "dilated-3x3",
    "avg-pool-3x3",
    "max-pool-3x3",
    "max-pool-5x5",
    "max-pool-7x7",
    "conv-1x1",
    "conv-3x3",
    "sep-3x3",
    "sep-5x5",
    "sep-7x7",
)


@lru_cache(maxsize=10_000)
def operation_chain(name: str, channels: int, stride: int) -> Chain:
    """Return the layers of an operation that keeps the channels; none where it passes on.

    An identity with a stride is a 1x1 convolution.

    Raises:
        InvalidArchitectureError: There is no such operation.
    """
    if name == "identity":
        return () if stride == 1 else relu_conv_bn(channels, 1, stride)
    if name not in OPERATIONS:
        raise InvalidArchitectureError(
            f"Operation {name!r} of a cell is unknown. Known: {', '.join(OPERATIONS)}."
        )
    kind, _, shape = name.partition("-")
    size = int(name[-1])
    if kind == "sep":
        return separable(channels, size, stride)
    if kind == "dilated":
        return _dilated(channels, size, stride)
    if kind in ("avg", "max"):
        return (local_pool(kind, size, stride),)
    if len(shape) > 3:
        return _crossed(channels, int(shape[2]), stride)
    return relu_conv_bn(channels, size, stride)


def cell_text(blocks: Sequence[Block]) -> str:
    """Return a cell as text: "0 sep-3x3 1 identity add | 2 ..."."""
    return " | ".join(
        f"{a} {first} {b} {second} {combine}" for (a, b), (first, second), combine in blocks
    )


@lru_cache(maxsize=20_000)
def cell_blocks(text: str) -> tuple[Block, ...]:
    """Return the blocks of a cell from its text.

    Raises:
        InvalidArchitectureError: It is no such text.
    """
    blocks = []
    for number, block in enumerate(text.split("|")):
        words = block.split()
        known = len(words) == 5 and {words[1], words[3]} <= set(OPERATIONS)
        known = known and words[4] in COMBINES and (words[0] + words[2]).isdigit()
        inputs = (int(words[0]), int(words[2])) if known else (-1, -1)
        if not known or max(inputs) >= number + INPUTS:
            raise InvalidArchitectureError(
                f"Block {block.strip()!r} of a cell is none. Write 'state operation state "
                f"operation combination', states below {number + INPUTS}, operations of "
                f"{', '.join(OPERATIONS)}, combinations of {', '.join(COMBINES)}."
            )
        blocks.append(Block(inputs, (words[1], words[3]), words[4]))
    return tuple(blocks)


@register_layer("nasnet-cell")
class NASNetCell(Graph):
    """Blocks over the last two cells; what no block reads is concatenated in depth.

    Settings: cell (text, see `cell_text`), channels (of every state), stride (1; of operations that
    read an input of the cell). It reads two nodes, the cell before the last and the last one. An
    input of other channels or another size than the last cell's goes through ReLU, a 1x1
    convolution and normalisation first, also where no block reads it; so does a concatenation
    inside a block.

    Reference: Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition",
    CVPR 2018, section 3 and figures 2 and 3.
    """

    def graph(self, layer: Layer, inputs: Sequence[Shape]) -> Sequence[Layer]:
        """Return the adapted inputs, the blocks and the concatenation."""
        positive(layer, "channels", optional=["stride"])
        if len(inputs) != INPUTS or any(len(shape) != 3 for shape in inputs):
            raise InvalidArchitectureError(
                f"A cell reads two maps (channels, height, width), but gets {list(inputs)}."
            )
        channels, stride = layer["channels"], layer.get("stride", 1)
        parts = Parts(INPUTS)
        states = [_adapted(parts, node, inputs, channels) for node in range(INPUTS)]
        blocks = cell_blocks(layer["cell"])
        for block in blocks:
            read = [
                parts.chain(states[x], operation_chain(name, channels, stride if x < INPUTS else 1))
                for x, name in zip(block.inputs, block.operations, strict=True)
            ]
            states.append(parts.merge(block.combine, read, channels))
        parts.merge("concat", [states[x] for x in unread(blocks)])
        return parts.layers

    def label(self, layer: Layer) -> str:
        """Return channels, stride and the number of blocks."""
        blocks = len(cell_blocks(layer["cell"]))
        return f"nasnet-cell {layer['channels']}, {blocks} blocks{stride_text(layer)}"


def unread(blocks: Sequence[Block]) -> list[int]:
    """Return the states of blocks that no block reads."""
    read = {state for block in blocks for state in block.inputs}
    return [x for x in range(INPUTS, INPUTS + len(blocks)) if x not in read]


def _adapted(parts: Parts, node: int, inputs: Sequence[Shape], channels: int) -> int:
    """Return an input with these channels, as large as the last cell's output."""
    (found, height, width), (_, *side) = inputs[node], inputs[-1]
    stride = -(-height // side[0])
    if (found, stride) == (channels, 1):
        return node
    if [-(-height // stride), -(-width // stride)] != side:
        raise InvalidArchitectureError(
            f"A cell cannot read maps of {height}x{width} and {side[0]}x{side[1]} together. "
            "The first must be a whole number of times as large."
        )
    return parts.chain(node, relu_conv_bn(channels, 1, stride))
