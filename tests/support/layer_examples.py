"""Layers to test with: settings of each kind, and inputs that it accepts."""

from __future__ import annotations

from nas_env.architecture import Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers import layer_type

CELL = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|skip_connect~2|"
EXAMPLES: dict[str, dict[str, str | int | float | bool]] = {
    "conv": {"channels": 4, "kernel": 2, "stride": 2},
    "max-pool": {"kernel": 2, "stride": 2},
    "linear": {"units": 4},
    "dropout": {"rate": 0.5},
    "local-average-pool": {"kernel": 3, "stride": 2},
    "mb-conv": {"channels": 3, "kernel": 5, "expansion": 2},
    "nasbench201-cell": {"channels": 3, "cell": CELL},
    "residual-block": {"channels": 4, "stride": 2},
    "local-max-pool": {"kernel": 3, "stride": 2},
    "squeeze-excite": {"squeezed": 2},
    "zero-pad": {"height": 7, "width": 9},
    "nsc-block": {"channels": 4, "code": "conv-3 0 | max-3 1 | add 0 2 | concat 1 3"},
    "nasnet-cell": {"channels": 4, "stride": 2, "cell": "0 sep-3x3 1 identity add"},
}
SHAPES: tuple[Shape, ...] = ((3, 6, 6), (5,))  # of inputs, the first that is accepted counts
MOST_INPUTS = 2


def example_layer(kind: str, inputs: tuple[int, ...] = ()) -> Layer:
    """Return a layer of a kind, with settings where it has no defaults.

    Args:
        kind: The registered name.
        inputs: Numbers of the nodes that it reads; empty: the one before.
    """
    return Layer.of(kind, inputs, **EXAMPLES.get(kind, {}))


def accepted_inputs(kind: str) -> list[Shape]:
    """Return shapes of inputs that a kind of layer accepts: one or two maps, or vectors.

    Raises:
        InvalidArchitectureError: It accepts none of them; the message is that for one map.
    """
    layer, refusals = example_layer(kind), list[InvalidArchitectureError]()
    for shape in SHAPES:
        for count in range(1, MOST_INPUTS + 1):
            try:
                layer_type(layer).output_shape(layer, [shape] * count)
            except InvalidArchitectureError as error:
                refusals.append(error)
            else:
                return [shape] * count
    raise refusals[0]
