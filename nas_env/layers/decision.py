"""A decision of a table whose networks cannot be built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import LayerType, register_layer, single

if TYPE_CHECKING:
    from torch import nn


@register_layer("decision")
class Decision(LayerType):
    """One decision of a table. Settings: name ("decision"), value ("")."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape; the real one is unknown."""
        return single(layer, inputs)

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return 0; the real number is unknown."""
        return 0

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Raise, because the layer cannot be built.

        Raises:
            InvalidArchitectureError: Always.
        """
        raise InvalidArchitectureError(
            f"The decision {self.label(layer)!r} of a table cannot be built as a layer. "
            "Use evaluator='tabular'."
        )

    def label(self, layer: Layer) -> str:
        """Return name and value."""
        return f"{layer.get('name', 'decision')} = {layer.get('value', '')}"
