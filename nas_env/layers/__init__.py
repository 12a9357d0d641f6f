"""The vocabulary of layers: each kind has a shape rule, a cost rule and a torch factory.

One file per family; a kind registers itself with `@register_layer(name)`.
"""

from nas_env.layers.base import LAYERS, LayerType, layer_type, register_layer, size

__all__ = ["LAYERS", "LayerType", "layer_type", "register_layer", "size"]
