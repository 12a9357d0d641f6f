"""The base class of layer kinds: shapes, costs and the torch module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, TypeVar

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.registry import Registry

if TYPE_CHECKING:
    from torch import nn

L = TypeVar("L", bound="LayerType")
FLOAT_BYTES = 4
INDEX_BYTES = 8


class LayerType(ABC):
    """One kind of layer. Shapes exclude the batch: (channels, height, width) or (n,).

    Methods about shapes, costs and modules take the layer and the shapes of all its inputs.
    """

    @abstractmethod
    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the output shape.

        Raises:
            InvalidArchitectureError: The layer does not accept these inputs.
        """

    @abstractmethod
    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return a module whose `forward` takes one tensor per input."""

    @abstractmethod
    def label(self, layer: Layer) -> str:
        """Return a short label for tables and drawings, such as "conv 16, 3x3"."""

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the number of trainable parameters."""
        return 0

    def macs(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the multiply-accumulates of convolutions and linear layers per sample."""
        return 0

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes per sample of all module outputs in a training pass."""
        return FLOAT_BYTES * prod(self.output_shape(layer, inputs))


LAYERS: Registry[LayerType] = Registry("layer kind", package="nas_env.layers")


def register_layer(kind: str) -> Callable[[type[L]], type[L]]:
    """Return a class decorator that registers a kind of layer."""

    def enter(cls: type[L]) -> type[L]:
        LAYERS.register(kind)(cls())
        return cls

    return enter


def layer_type(layer: Layer) -> LayerType:
    """Return the kind of a layer."""
    return LAYERS.get(layer.kind)


def size(shape: Shape) -> int:
    """Return the number of elements of a shape."""
    return prod(shape)


def single(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of the only input; raise if there are several inputs."""
    if len(inputs) != 1:
        raise InvalidArchitectureError(
            f"Layer {layer.kind!r} takes one input, got {len(inputs)}. "
            "Merge them with 'add' or 'concat' first."
        )
    return inputs[0]


def spatial(layer: Layer, inputs: Sequence[Shape]) -> tuple[int, int, int]:
    """Return the shape (channels, height, width) of the only input; raise if it is flat."""
    shape = single(layer, inputs)
    if len(shape) != 3:
        raise InvalidArchitectureError(
            f"Layer {layer.kind!r} needs a map (channels, height, width), got {shape}. "
            "Place it before the layers that flatten."
        )
    return shape[0], shape[1], shape[2]


def positive(layer: Layer, *names: str, optional: Sequence[str] = ()) -> None:
    """Check that settings are integers >= 1; optional settings may be missing."""
    for name in (*names, *(x for x in optional if layer.get(x, 1) != 1)):
        value = layer[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArchitectureError(
                f"Layer {layer.kind!r} setting {name!r} must be an integer >= 1, got {value!r}."
            )


def stride_text(layer: Layer) -> str:
    """Return ", stride n" for a label, or "" if the stride is 1."""
    stride = layer.get("stride", 1)
    return f", stride {stride}" if stride != 1 else ""
