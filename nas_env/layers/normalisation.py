"""Batch normalisation as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.layers.activation import activation_module, activation_name
from nas_env.layers.base import FLOAT_BYTES, LayerType, register_layer, size, spatial

if TYPE_CHECKING:
    from torch import nn


@register_layer("batch-norm")
class BatchNorm(LayerType):
    """Batch normalisation of a map and an activation. Settings: activation ("relu")."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        return spatial(layer, inputs)

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return two parameters per channel."""
        return 2 * spatial(layer, inputs)[0]

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the outputs of normalisation and activation."""
        tensors = 1 + (activation_name(layer) is not None)
        return tensors * FLOAT_BYTES * size(spatial(layer, inputs))

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the modules in order."""
        from torch import nn

        modules: list[nn.Module] = [nn.BatchNorm2d(spatial(layer, inputs)[0])]
        if (name := activation_name(layer)) is not None:
            modules.append(activation_module(name))
        return nn.Sequential(*modules)

    def label(self, layer: Layer) -> str:
        """Return the kind and the activation."""
        name = activation_name(layer)
        return "batch-norm" + (f", {name}" if name else "")
