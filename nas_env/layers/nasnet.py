"""The cell of NASNet and ENAS: blocks of two operations on two earlier states."""

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

INPUTS = 2  # the outputs of the two previous cells
COMBINES = ("add", "concat")
RELU = Layer.of("activation", activation="relu")


class Block(NamedTuple):
    """Two input states, an operation on each, and the combination of the results.

    Attributes:
        inputs: Indices of the states: 0 the cell before the last, 1 the last cell, then blocks.
        operations: Names in `OPERATIONS`.
        combine: "add" or "concat".
    """

    inputs: tuple[int, int]
    operations: tuple[str, str]
    combine: str


def separable(channels: int, kernel: int, stride: int) -> Chain:
    """Return two times ReLU, depthwise and pointwise convolution and normalisation."""
    point = pointwise(channels)
    first, second = (depthwise(channels, kernel, step) for step in (stride, 1))
    return (RELU, first, point, RELU, second, point)


def pointwise(channels: int) -> Layer:
    """Return a 1x1 convolution and normalisation."""
    return Layer.of("conv", channels=channels, kernel=1, activation="none")


def depthwise(channels: int, kernel: int, stride: int, dilation: int = 1) -> Layer:
    """Return a depthwise convolution without normalisation and activation."""
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
    """Return ReLU and 1 x n, then ReLU and n x 1 convolution, each with normalisation."""
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
    """Return the layers of an operation that preserves the channels; empty for the identity.

    An identity with a stride is a 1x1 convolution.

    Raises:
        InvalidArchitectureError: The operation does not exist.
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
        InvalidArchitectureError: The text is not a valid cell.
    """
    blocks = []
    for number, block in enumerate(text.split("|")):
        words = block.split()
        valid = len(words) == 5 and {words[1], words[3]} <= set(OPERATIONS)
        valid = valid and words[4] in COMBINES and (words[0] + words[2]).isdigit()
        inputs = (int(words[0]), int(words[2])) if valid else (-1, -1)
        if not valid or max(inputs) >= number + INPUTS:
            raise InvalidArchitectureError(
                f"Block {block.strip()!r} of a cell is invalid. Write 'state operation state "
                f"operation combination', with states below {number + INPUTS}, operations of "
                f"{', '.join(OPERATIONS)} and combinations of {', '.join(COMBINES)}."
            )
        blocks.append(Block(inputs, (words[1], words[3]), words[4]))
    return tuple(blocks)


@register_layer("nasnet-cell")
class NASNetCell(Graph):
    """Blocks that read the last two cells; unused blocks are concatenated along the channels.

    Settings: cell (text, see `cell_text`), channels (of every state), stride (1; of operations on
    an input of the cell). It reads two nodes, the cell before the last and the last one. An input
    with other channels, or another size than the last cell, first goes through ReLU, a 1x1
    convolution and normalisation, even if no block reads it; so does a concatenation inside a
    block.

    Reference: Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition",
    CVPR 2018, section 3 and figures 2 and 3.
    """

    def graph(self, layer: Layer, inputs: Sequence[Shape]) -> Sequence[Layer]:
        """Return the adapted inputs, the blocks and the concatenation."""
        positive(layer, "channels", optional=["stride"])
        if len(inputs) != INPUTS or any(len(shape) != 3 for shape in inputs):
            raise InvalidArchitectureError(
                f"A cell needs two maps (channels, height, width), got {list(inputs)}."
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
    """Return the states of the blocks that no block reads."""
    read = {state for block in blocks for state in block.inputs}
    return [x for x in range(INPUTS, INPUTS + len(blocks)) if x not in read]


def _adapted(parts: Parts, node: int, inputs: Sequence[Shape], channels: int) -> int:
    """Return the node of an input with these channels and the size of the last cell's output."""
    (input_channels, height, width), (_, *side) = inputs[node], inputs[-1]
    stride = -(-height // side[0])
    if (input_channels, stride) == (channels, 1):
        return node
    if [-(-height // stride), -(-width // stride)] != side:
        raise InvalidArchitectureError(
            f"The size of the first map of a cell must be a multiple of the second, got "
            f"{height}x{width} and {side[0]}x{side[1]}."
        )
    return parts.chain(node, relu_conv_bn(channels, 1, stride))
