"""Fully connected layers and dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.activation import activation_module, activation_name
from nas_env.layers.base import FLOAT_BYTES, LayerType, positive, register_layer, single, size

if TYPE_CHECKING:
    from torch import nn


@register_layer("linear")
class Linear(LayerType):
    """Fully connected layer with bias and activation; flattens a map first.

    Settings: units, activation ("relu").
    """

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return (units,)."""
        positive(layer, "units")
        single(layer, inputs)
        return (layer["units"],)

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the weights and biases."""
        return int(layer["units"] * (size(single(layer, inputs)) + 1))

    def macs(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return inputs times units."""
        return int(layer["units"] * size(single(layer, inputs)))

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the flat view and of the outputs of linear layer and activation."""
        shape = single(layer, inputs)
        flat = size(shape) if len(shape) > 1 else 0
        tensors = 1 + (activation_name(layer) is not None)
        return int(FLOAT_BYTES * (flat + tensors * layer["units"]))

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the modules in order."""
        from torch import nn

        shape = single(layer, inputs)
        modules: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
        modules.append(nn.Linear(size(shape), layer["units"]))
        if (name := activation_name(layer)) is not None:
            modules.append(activation_module(name))
        return nn.Sequential(*modules)

    def label(self, layer: Layer) -> str:
        """Return the units, and the activation if it is not ReLU."""
        name = layer.get("activation", "relu")
        return f"linear {layer['units']}" + ("" if name in ("relu", "none") else f", {name}")


@register_layer("dropout")
class Dropout(LayerType):
    """Dropout in training. Settings: rate, in [0, 1)."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        if not 0 <= layer["rate"] < 1:
            raise InvalidArchitectureError(f"Dropout rate must be in [0, 1), got {layer['rate']}.")
        return single(layer, inputs)

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the output and of the dropout mask."""
        return 2 * FLOAT_BYTES * size(single(layer, inputs))

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the dropout module."""
        from torch import nn

        return nn.Dropout(layer["rate"])

    def label(self, layer: Layer) -> str:
        """Return the rate."""
        return f"dropout {layer['rate']:g}"
