"""`wrong-params`: a layer of vectors whose bias is not counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import LayerType, register_layer, single

if TYPE_CHECKING:
    from torch import nn


@register_layer("wrong-params")
class WrongParams(LayerType):
    """Predicts one parameter per feature, and builds a module with two."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        shape = single(layer, inputs)
        if len(shape) != 1:
            raise InvalidArchitectureError(f"Layer 'wrong-params' needs vectors, got {shape}.")
        return shape

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the weights without the biases."""
        return single(layer, inputs)[0]

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return a normalisation with weights and biases."""
        from torch import nn

        return nn.LayerNorm(single(layer, inputs)[0])

    def label(self, layer: Layer) -> str:
        """Return the name."""
        return "wrong-params"
