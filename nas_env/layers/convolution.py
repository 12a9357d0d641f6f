"""Two-dimensional convolution with normalisation and activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.activation import activation_module, activation_name
from nas_env.layers.base import (
    FLOAT_BYTES,
    LayerType,
    positive,
    register_layer,
    size,
    spatial,
    stride_text,
)

if TYPE_CHECKING:
    from torch import nn


def has_bias(layer: Layer) -> bool:
    """Whether a convolution has a bias: by default only without normalisation."""
    return bool(layer.get("bias", not layer.get("batch_norm", True)))


def window(layer: Layer) -> tuple[int, int]:
    """Return the height and width of a convolution's kernel."""
    return layer["kernel"], layer.get("kernel_width", layer["kernel"])


def margins(layer: Layer) -> tuple[int, int]:
    """Return the rows and columns of padding that preserve the size of a map at stride 1."""
    dilation = layer.get("dilation", 1)
    tall, wide = window(layer)
    return dilation * (tall - 1), dilation * (wide - 1)


def fan_in(layer: Layer, inputs: Sequence[Shape]) -> int:
    """Return the number of weights per output channel of a convolution.

    Raises:
        InvalidArchitectureError: The groups do not divide the channels.
    """
    channels, groups = spatial(layer, inputs)[0], layer.get("groups", 1)
    if channels % groups or layer["channels"] % groups:
        raise InvalidArchitectureError(
            f"Layer {layer.kind!r} setting 'groups' must divide the input channels {channels} and "
            f"the output channels {layer['channels']}, got {groups}."
        )
    height, width = window(layer)
    return int(channels // groups * height * width)


@register_layer("conv")
class Convolution(LayerType):
    """Convolution, batch normalisation, activation.

    Settings: channels, kernel (height and width), kernel_width (width, if different from the
    height), stride (1), dilation (1), groups (1), batch_norm (True), activation ("relu"), bias
    (True without batch normalisation, else False).
    Padding preserves the size of the map at stride 1; with an even kernel the additional row and
    column of padding is at the bottom and right.
    """

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, ceil(height / stride), ceil(width / stride))."""
        optional = ("stride", "dilation", "groups", "kernel_width")
        positive(layer, "channels", "kernel", optional=optional)
        fan_in(layer, inputs)
        _, height, width = spatial(layer, inputs)
        stride = layer.get("stride", 1)
        return layer["channels"], -(-height // stride), -(-width // stride)

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the weights, plus two per channel (normalisation) and one per channel (bias)."""
        extra = 2 * bool(layer.get("batch_norm", True)) + has_bias(layer)
        return int(layer["channels"] * (fan_in(layer, inputs) + extra))

    def macs(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the kernel area times the input channels of a group, per output element."""
        return fan_in(layer, inputs) * size(self.output_shape(layer, inputs))

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the outputs of convolution, normalisation and activation."""
        tensors = 1 + bool(layer.get("batch_norm", True)) + (activation_name(layer) is not None)
        elements = tensors * size(self.output_shape(layer, inputs))
        rows, columns = margins(layer)
        if rows % 2 or columns % 2:
            channels, height, width = spatial(layer, inputs)
            elements += channels * (height + rows) * (width + columns)
        return FLOAT_BYTES * elements

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the modules in order."""
        from torch import nn

        (tall, wide), (rows, columns), channels = window(layer), margins(layer), layer["channels"]
        modules: list[nn.Module] = []
        padding = rows // 2, columns // 2
        if rows % 2 or columns % 2:
            sides = (padding[1], columns - padding[1], padding[0], rows - padding[0])
            modules.append(nn.ZeroPad2d(sides))
            padding = 0, 0
        modules.append(
            nn.Conv2d(
                spatial(layer, inputs)[0],
                channels,
                (tall, wide),
                stride=layer.get("stride", 1),
                padding=padding,
                dilation=layer.get("dilation", 1),
                groups=layer.get("groups", 1),
                bias=has_bias(layer),
            )
        )
        if layer.get("batch_norm", True):
            modules.append(nn.BatchNorm2d(channels))
        if (name := activation_name(layer)) is not None:
            modules.append(activation_module(name))
        return nn.Sequential(*modules)

    def label(self, layer: Layer) -> str:
        """Return channels, kernel, and the stride and dilation that are not 1."""
        suffix = f", dilated {layer['dilation']}" if layer.get("dilation", 1) != 1 else ""
        tall, wide = window(layer)
        return f"conv {layer['channels']}, {tall}x{wide}{stride_text(layer)}{suffix}"
