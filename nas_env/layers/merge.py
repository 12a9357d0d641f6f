"""Layers that merge several nodes: sum, and concatenation along the channels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import LayerType, register_layer

if TYPE_CHECKING:
    from torch import nn


class _Merge(LayerType):
    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return a module that takes all inputs."""
        from nas_env.layers._merge_modules import MERGES

        return MERGES[layer.kind]()

    def label(self, layer: Layer) -> str:
        """Return the kind and the input nodes."""
        return f"{layer.kind} of {', '.join(map(str, layer.inputs)) or 'previous'}"

    @abstractmethod
    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the merged shape."""


@register_layer("add")
class Add(_Merge):
    """Sum of inputs of equal shape. No settings."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the common shape."""
        if len(set(inputs)) != 1:
            raise InvalidArchitectureError(
                f"Layer 'add' needs inputs of equal shape, got {list(inputs)}."
            )
        return inputs[0]


@register_layer("concat")
class Concat(_Merge):
    """Concatenation along the first axis (channels or features). No settings."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the first input with the channels of all inputs."""
        if len({shape[1:] for shape in inputs}) != 1:
            raise InvalidArchitectureError(
                f"Layer 'concat' needs inputs of equal shape except for the first axis, "
                f"got {list(inputs)}."
            )
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])
