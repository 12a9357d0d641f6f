"""Zero padding, so that maps of different sizes can be concatenated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import LayerType, positive, register_layer, spatial

if TYPE_CHECKING:
    from torch import nn


@register_layer("zero-pad")
class ZeroPad(LayerType):
    """Zero padding around a map. Settings: height, width (of the output).

    The map is centred; an odd row or column of zeros is at the bottom and right.
    """

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, height, width)."""
        positive(layer, "height", "width")
        channels, height, width = spatial(layer, inputs)
        if layer["height"] < height or layer["width"] < width:
            raise InvalidArchitectureError(
                f"A {height}x{width} map cannot be padded to {layer['height']}x{layer['width']}. "
                "Use a larger size."
            )
        return channels, layer["height"], layer["width"]

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the padding module."""
        from torch import nn

        _, height, width = spatial(layer, inputs)
        rows, columns = layer["height"] - height, layer["width"] - width
        left, top = columns // 2, rows // 2
        return nn.ZeroPad2d((left, columns - left, top, rows - top))

    def label(self, layer: Layer) -> str:
        """Return the size."""
        return f"zero-pad to {layer['height']}x{layer['width']}"
