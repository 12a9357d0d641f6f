"""The block of BlockQNN, built from its network structure code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import positive, register_layer, spatial
from nas_env.layers.composite import Chain
from nas_env.layers.graph import Graph, Parts
from nas_env.layers.pooling import local_pool
from nas_env.layers.residual import relu_conv_bn

UNARY = ("conv-1", "conv-3", "conv-5", "max-1", "max-3", "avg-1", "avg-3", "identity")
MERGES = ("add", "concat")


class Code(NamedTuple):
    """One layer of a block: its operation and its input layers (0: the input of the block)."""

    operation: str
    inputs: tuple[int, ...]


def block_text(codes: Sequence[Code]) -> str:
    """Return a block as text: "conv-3 0 | max-3 1 | add 1 2"."""
    return " | ".join(" ".join((code.operation, *map(str, code.inputs))) for code in codes)


@lru_cache(maxsize=20_000)
def block_codes(text: str) -> tuple[Code, ...]:
    """Return the layers of a block from its text.

    Raises:
        InvalidArchitectureError: The text is not a valid block.
    """
    codes = []
    for number, line in enumerate(text.split("|"), start=1):
        operation, *reads = line.split() or [""]
        wanted = 1 if operation in UNARY else 2 if operation in MERGES else 0
        valid = wanted == len(reads) and all(x.isdigit() and int(x) < number for x in reads)
        if not wanted or not valid:
            raise InvalidArchitectureError(
                f"Layer {line.strip()!r} of a block is invalid. Write one of {', '.join(UNARY)} "
                f"and a layer below {number}, or one of {', '.join(MERGES)} and two layers."
            )
        codes.append(Code(operation, tuple(map(int, reads))))
    return tuple(codes)


def leaves(codes: Sequence[Code]) -> list[int]:
    """Return the numbers of the layers that no layer reads."""
    read = {x for code in codes for x in code.inputs}
    return [number for number in range(1, len(codes) + 1) if number not in read]


@lru_cache(maxsize=1000)
def unary_chain(operation: str, channels: int) -> Chain:
    """Return the layers of an operation with one input; empty for the identity."""
    if operation == "identity":
        return ()
    kind, size = operation.split("-")
    if kind == "conv":
        return relu_conv_bn(channels, int(size))
    return (local_pool(kind, int(size)),)


@register_layer("nsc-block")
class NSCBlock(Graph):
    """Layers that read earlier layers by number; the leaves are concatenated along the channels.

    Settings: code (text, see `block_text`), channels (of every layer). An input with other
    channels, and a concatenation inside the block, go through ReLU, a 1x1 convolution and
    normalisation.

    Reference: Zhong et al., "Practical Block-wise Neural Network Architecture Generation", CVPR
    2018, section 3.1 and table 1. Differs from the paper: concatenations inside a block are reduced
    to the channels of the block, so that any two layers can be added.
    """

    def graph(self, layer: Layer, inputs: Sequence[Shape]) -> Sequence[Layer]:
        """Return the adapted input, the layers and the concatenation of the leaves."""
        positive(layer, "channels")
        channels, parts, codes = layer["channels"], Parts(1), block_codes(layer["code"])
        adapter = () if spatial(layer, inputs)[0] == channels else relu_conv_bn(channels, 1)
        nodes = [parts.chain(0, adapter)]
        for code in codes:
            if code.operation in UNARY:
                node = parts.chain(nodes[code.inputs[0]], unary_chain(code.operation, channels))
            else:
                node = parts.merge(code.operation, [nodes[x] for x in code.inputs], channels)
            nodes.append(node)
        parts.merge("concat", [nodes[x] for x in leaves(codes)])
        return parts.layers

    def label(self, layer: Layer) -> str:
        """Return channels and the number of layers."""
        return f"nsc-block {layer['channels']}, {len(block_codes(layer['code']))} layers"
