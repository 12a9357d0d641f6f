"""Pooling: local maximum and average, global average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import (
    FLOAT_BYTES,
    INDEX_BYTES,
    LayerType,
    positive,
    register_layer,
    size,
    spatial,
)

if TYPE_CHECKING:
    from torch import nn


def pooled(side: int, kernel: int, stride: int) -> int:
    """Return the side of a map after pooling without padding."""
    return (side - kernel) // stride + 1


@register_layer("max-pool")
class MaxPool(LayerType):
    """Maximum over a square window, without padding. Settings: kernel, stride."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, pooled height, pooled width)."""
        positive(layer, "kernel", "stride")
        channels, height, width = spatial(layer, inputs)
        kernel, stride = layer["kernel"], layer["stride"]
        if kernel > min(height, width):
            raise InvalidArchitectureError(
                f"Pooling window {kernel} is larger than its {height}x{width} map. "
                f"Use a window of at most {min(height, width)}."
            )
        return channels, pooled(height, kernel, stride), pooled(width, kernel, stride)

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the output and of the indices of the maxima."""
        return (FLOAT_BYTES + INDEX_BYTES) * size(self.output_shape(layer, inputs))

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the pooling module."""
        from torch import nn

        return nn.MaxPool2d(layer["kernel"], layer["stride"])

    def label(self, layer: Layer) -> str:
        """Return window and stride."""
        return f"max-pool {layer['kernel']}x{layer['kernel']}, stride {layer['stride']}"


@register_layer("local-max-pool")
class LocalMaxPool(LayerType):
    """Maximum over a square window, padded so that stride 1 preserves the size of the map.

    Settings: kernel (odd), stride.
    """

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, ceil(height / stride), ceil(width / stride))."""
        positive(layer, "kernel", "stride")
        channels, height, width = spatial(layer, inputs)
        if layer["kernel"] % 2 == 0:
            raise InvalidArchitectureError(
                f"Padded pooling window must be odd, got {layer['kernel']}. Use an odd window, or "
                "'max-pool'."
            )
        return channels, -(-height // layer["stride"]), -(-width // layer["stride"])

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the output and of the indices of the maxima."""
        return (FLOAT_BYTES + INDEX_BYTES) * size(self.output_shape(layer, inputs))

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the pooling module."""
        from torch import nn

        return nn.MaxPool2d(layer["kernel"], layer["stride"], layer["kernel"] // 2)

    def label(self, layer: Layer) -> str:
        """Return window and stride."""
        window = f"{layer['kernel']}x{layer['kernel']}"
        return f"local-max-pool {window}, stride {layer['stride']}"


@register_layer("local-average-pool")
class LocalAveragePool(LayerType):
    """Mean over a square window, without the positions outside the map.

    Settings: kernel (odd, or equal to the stride), stride. The map is padded so that stride 1
    preserves its size.
    """

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (channels, ceil(height / stride), ceil(width / stride))."""
        positive(layer, "kernel", "stride")
        channels, height, width = spatial(layer, inputs)
        kernel, stride = layer["kernel"], layer["stride"]
        if kernel % 2 == 0 and kernel != stride:
            raise InvalidArchitectureError(
                f"Average pooling window must be odd or equal to its stride {stride}, got "
                f"{kernel}. Use an odd window, or an equal stride."
            )
        return channels, -(-height // stride), -(-width // stride)

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the pooling module."""
        from torch import nn

        kernel, stride = layer["kernel"], layer["stride"]
        padding = 0 if kernel % 2 == 0 else kernel // 2
        return nn.AvgPool2d(
            kernel, stride, padding, ceil_mode=kernel % 2 == 0, count_include_pad=False
        )

    def label(self, layer: Layer) -> str:
        """Return window and stride."""
        window = f"{layer['kernel']}x{layer['kernel']}"
        return f"local-average-pool {window}, stride {layer['stride']}"


def local_pool(kind: str, kernel: int, stride: int = 1) -> Layer:
    """Return a layer of padded pooling; `kind` is "avg" or "max"."""
    name = "local-average-pool" if kind == "avg" else "local-max-pool"
    return Layer.of(name, kernel=kernel, stride=stride)


@register_layer("global-average-pool")
class GlobalAveragePool(LayerType):
    """Mean over the whole map: (channels, height, width) becomes (channels,). No settings."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (channels,)."""
        return (spatial(layer, inputs)[0],)

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the mean and of its flat view."""
        return 2 * FLOAT_BYTES * spatial(layer, inputs)[0]

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return pooling and flattening."""
        from torch import nn

        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def label(self, layer: Layer) -> str:
        """Return the kind."""
        return "global average pool"
