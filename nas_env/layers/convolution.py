"""Two-dimensional convolution, with its normalisation and activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.layers.activation import activation_module, activation_name
from nas_env.layers.base import FLOAT_BYTES, LayerType, positive, register_layer, size, spatial

if TYPE_CHECKING:
    from torch import nn


@register_layer("conv")
class Convolution(LayerType):
    """Convolution, batch normalisation, activation.

    Settings: channels, kernel (square), stride (1), batch_norm (True), activation ("relu").
    The map is padded so that stride 1 keeps its size; with an even kernel the odd row and column
    of padding is at the bottom and right. A bias is there only without batch normalisation.
    """

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, ceil(height / stride), ceil(width / stride))."""
        positive(layer, "channels", "kernel", *(("stride",) if layer.get("stride", 1) != 1 else ()))
        _, height, width = spatial(layer, inputs)
        stride = layer.get("stride", 1)
        return layer["channels"], -(-height // stride), -(-width // stride)

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the weights plus two per channel (normalisation) or one (bias)."""
        extra = 2 if layer.get("batch_norm", True) else 1
        fan_in = spatial(layer, inputs)[0] * layer["kernel"] ** 2
        return int(layer["channels"] * (fan_in + extra))

    def macs(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return kernel area times input channels for each output element."""
        fan_in = spatial(layer, inputs)[0] * layer["kernel"] ** 2
        return int(fan_in * size(self.output_shape(layer, inputs)))

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the convolution's, normalisation's and activation's outputs."""
        tensors = 1 + bool(layer.get("batch_norm", True)) + (activation_name(layer) is not None)
        elements = tensors * size(self.output_shape(layer, inputs))
        if layer["kernel"] % 2 == 0:
            channels, height, width = spatial(layer, inputs)
            padding = layer["kernel"] - 1
            elements += channels * (height + padding) * (width + padding)
        return FLOAT_BYTES * elements

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the modules in order."""
        from torch import nn

        kernel, channels = layer["kernel"], layer["channels"]
        normalised = bool(layer.get("batch_norm", True))
        modules: list[nn.Module] = []
        padding = (kernel - 1) // 2
        if kernel % 2 == 0:
            modules.append(nn.ZeroPad2d((padding, padding + 1, padding, padding + 1)))
            padding = 0
        modules.append(
            nn.Conv2d(
                spatial(layer, inputs)[0],
                channels,
                kernel,
                stride=layer.get("stride", 1),
                padding=padding,
                bias=not normalised,
            )
        )
        if normalised:
            modules.append(nn.BatchNorm2d(channels))
        if (name := activation_name(layer)) is not None:
            modules.append(activation_module(name))
        return nn.Sequential(*modules)

    def label(self, layer: Layer) -> str:
        """Return channels, kernel and, unless it is 1, stride."""
        stride = layer.get("stride", 1)
        suffix = f", stride {stride}" if stride != 1 else ""
        return f"conv {layer['channels']}, {layer['kernel']}x{layer['kernel']}{suffix}"
