"""Squeeze and excitation: channel weights computed from the whole map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.layers.activation import activation_module, activation_name
from nas_env.layers.base import FLOAT_BYTES, LayerType, positive, register_layer, size, spatial

if TYPE_CHECKING:
    from torch import nn


@register_layer("squeeze-excite")
class SqueezeExcite(LayerType):
    """Channel weights from the global mean, two fully connected layers and a sigmoid.

    Settings: squeezed (width between the two layers), activation ("relu", between the layers).

    Reference: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, figure 3.
    """

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        positive(layer, "squeezed")
        return spatial(layer, inputs)

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the weights and biases of both layers."""
        channels, squeezed = spatial(layer, inputs)[0], layer["squeezed"]
        return int(2 * channels * squeezed + channels + squeezed)

    def macs(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the weights of both layers."""
        return int(2 * spatial(layer, inputs)[0] * layer["squeezed"])

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of mean, both layers, activation, sigmoid and product."""
        channels, squeezed = spatial(layer, inputs)[0], layer["squeezed"]
        between = (1 + (activation_name(layer) is not None)) * squeezed
        return FLOAT_BYTES * int(3 * channels + between + size(spatial(layer, inputs)))

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the module."""
        from nas_env.layers._branch_modules import SqueezeExcite as Module

        name = activation_name(layer)
        between = None if name is None else activation_module(name)
        return Module(spatial(layer, inputs)[0], layer["squeezed"], between)

    def label(self, layer: Layer) -> str:
        """Return kind and width."""
        return f"squeeze-excite {layer['squeezed']}"
