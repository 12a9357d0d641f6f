"""Activation functions, used by convolutional and fully connected layers and as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers.base import LayerType, register_layer, single
from nas_env.registry import unknown_name

if TYPE_CHECKING:
    from torch import nn

ACTIVATIONS = {"relu": "ReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU", "tanh": "Tanh"}


def activation_name(layer: Layer) -> str | None:
    """Return the name of a layer's activation (default "relu"), or None for "none"."""
    name = layer.get("activation", "relu")
    if name == "none":
        return None
    if name not in ACTIVATIONS:
        raise unknown_name("activation", name, [*ACTIVATIONS, "none"])
    return str(name)


def activation_module(name: str) -> nn.Module:
    """Return the torch module of an activation."""
    from torch import nn

    module: nn.Module = getattr(nn, ACTIVATIONS[name])()
    return module


@register_layer("activation")
class Activation(LayerType):
    """An activation function as a layer. Settings: activation ("relu")."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape."""
        if activation_name(layer) is None:
            raise InvalidArchitectureError(
                f"Layer 'activation' needs an activation, got 'none'. Remove the layer, or use "
                f"one of {', '.join(ACTIVATIONS)}."
            )
        return single(layer, inputs)

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the activation module."""
        return activation_module(str(activation_name(layer)))

    def label(self, layer: Layer) -> str:
        """Return the name."""
        return f"activation {activation_name(layer)}"
