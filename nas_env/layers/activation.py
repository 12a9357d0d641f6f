"""Activation functions, shared by convolutional and fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_env.architecture import Layer
from nas_env.registry import unknown_name

if TYPE_CHECKING:
    from torch import nn

ACTIVATIONS = {"relu": "ReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU", "tanh": "Tanh"}


def activation_name(layer: Layer) -> str | None:
    """Return the name of a layer's activation ("relu" where it states none), None for "none"."""
    name = layer.get("activation", "relu")
    if name == "none":
        return None
    if name not in ACTIVATIONS:
        raise unknown_name("activation", name, [*ACTIVATIONS, "none"])
    return str(name)


def activation_module(name: str) -> nn.Module:
    """Return the torch module of a known activation."""
    from torch import nn

    module: nn.Module = getattr(nn, ACTIVATIONS[name])()
    return module
