"""Layer normalisation of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import LayerType, register_layer, single

if TYPE_CHECKING:
    from torch import nn


@register_layer("feature-norm")
class FeatureNorm(LayerType):
    """Mean 0 and variance 1 over the features of a sample; takes vectors only. No settings."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        shape = single(layer, inputs)
        if len(shape) != 1:
            raise InvalidArchitectureError(
                f"Layer 'feature-norm' needs vectors, got shape {shape}. Place it after 'linear'."
            )
        return shape

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return a weight and a bias for each feature."""
        return 2 * single(layer, inputs)[0]

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return torch's layer normalisation."""
        from torch import nn

        return nn.LayerNorm(single(layer, inputs)[0])

    def label(self, layer: Layer) -> str:
        """Return the name; there is nothing to choose."""
        return "feature-norm"
