"""Blocks with a shortcut: the basic residual block and the inverted bottleneck of MobileNets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nas_env.architecture import Layer, Shape
from nas_env.layers.base import positive, register_layer, spatial, stride_text
from nas_env.layers.composite import Branches, Chain


class _Block(Branches):
    settings: tuple[str, ...] = ("channels",)

    def shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the shape of the input; raise if a setting is invalid."""
        positive(layer, *self.settings, optional=["stride"])
        return spatial(layer, inputs)


@register_layer("residual-block")
class ResidualBlock(_Block):
    """Two times ReLU, 3x3 convolution and normalisation, plus a shortcut.

    Settings: channels, stride (1). The shortcut is the input. With a stride, it is average pooling
    and a plain 1x1 convolution. Without a stride but with other channels, it is ReLU, 1x1
    convolution and normalisation.

    Reference: Dong and Yang, ICLR 2020 (NAS-Bench-201), the reduction between stages.
    """

    def chains(self, layer: Layer, shape: Shape) -> Sequence[Chain]:
        """Return the convolutions and the shortcut."""
        channels, stride = layer["channels"], layer.get("stride", 1)
        first = relu_conv_bn(channels, 3, stride)
        if stride > 1:
            pool = Layer.of("local-average-pool", kernel=stride, stride=stride)
            plain = partial(Layer.of, "conv", batch_norm=False, bias=False, activation="none")
            shortcut: Chain = (pool, plain(channels=channels, kernel=1))
        else:
            shortcut = () if channels == shape[0] else relu_conv_bn(channels, 1)
        return ((*first, *relu_conv_bn(channels, 3)), shortcut)

    def label(self, layer: Layer) -> str:
        """Return channels and, unless it is 1, stride."""
        return f"residual-block {layer['channels']}{stride_text(layer)}"


@register_layer("mb-conv")
class MBConv(_Block):
    """Inverted bottleneck: 1x1 expansion, depthwise convolution, 1x1 projection, each normalised.

    Settings: channels, kernel, expansion, stride (1), activation ("relu"; not after the
    projection), squeeze (0 for none; n > 0: squeeze and excitation before the projection, with
    1/n of the input channels).
    With expansion 1 there is no 1x1 expansion. The input is the shortcut if the shape does not
    change.

    References: Sandler et al., CVPR 2018 (MobileNetV2); Tan and Le, ICML 2019 (EfficientNet), for
    squeeze and excitation.
    """

    settings = ("channels", "kernel", "expansion")

    def chains(self, layer: Layer, shape: Shape) -> Sequence[Chain]:
        """Return the three convolutions, and the shortcut if there is one."""
        channels, expansion, stride = layer["channels"], layer["expansion"], layer.get("stride", 1)
        name, hidden = layer.get("activation", "relu"), expansion * shape[0]
        expand = Layer.of("conv", channels=hidden, kernel=1, activation=name)
        depthwise = Layer.of(
            "conv",
            channels=hidden,
            kernel=layer["kernel"],
            stride=stride,
            groups=hidden,
            activation=name,
        )
        project = Layer.of("conv", channels=channels, kernel=1, activation="none")
        excite: Chain = ()
        if layer.get("squeeze", 0):
            squeezed = max(1, shape[0] // layer["squeeze"])
            excite = (Layer.of("squeeze-excite", squeezed=squeezed, activation=name),)
        body = (*((expand,) if expansion > 1 else ()), depthwise, *excite, project)
        return (body, ()) if stride == 1 and channels == shape[0] else (body,)

    def label(self, layer: Layer) -> str:
        """Return channels, kernel, expansion and, unless it is 1, stride."""
        size = f"{layer['channels']}, {layer['kernel']}x{layer['kernel']}, x{layer['expansion']}"
        excite = ", squeeze-excite" if layer.get("squeeze", 0) else ""
        return f"mb-conv {size}{stride_text(layer)}{excite}"


def relu_conv_bn(channels: int, kernel: int, stride: int = 1) -> Chain:
    """Return ReLU, convolution and normalisation, in this order."""
    conv = Layer.of("conv", channels=channels, kernel=kernel, stride=stride, activation="none")
    return Layer.of("activation", activation="relu"), conv
