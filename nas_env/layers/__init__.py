"""The kinds of layers; each kind computes shapes and costs and builds the torch module.

One file per family; a kind registers itself with `@register_layer(name)`.
"""

from nas_env.layers.base import LAYERS, LayerType, layer_type, register_layer, size

__all__ = ["LAYERS", "LayerType", "layer_type", "register_layer", "size"]
