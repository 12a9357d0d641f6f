"""Networks that are no chains, and layers that do not accept what they are given."""

from __future__ import annotations

import pytest
import torch

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidArchitectureError, NASError
from nas_env.layers import layer_type
from nas_env.network import build, predict
from nas_env.tasks import TaskSpec
from tests.support.layer_examples import CELL, accepted_inputs, example_layer

IMAGE = TaskSpec("probe", 1, "image", (3, 6, 6), 4)
VECTOR = TaskSpec("probe", 1, "vector", (5,), 4)
RESIDUAL = Architecture(
    (
        Layer.of("conv", channels=8, kernel=3),
        Layer.of("conv", channels=8, kernel=3),
        Layer.of("conv", channels=8, kernel=1),
        Layer.of("add", (1, 3)),
        Layer.of("conv", (0,), channels=2, kernel=3),
        Layer.of("concat", (4, 5, 0)),
        Layer.of("max-pool", kernel=2, stride=2),
    )
)
BAD_SETTINGS = [
    ("conv", {"channels": 0, "kernel": 3}),
    ("conv", {"channels": 4, "kernel": -1}),
    ("conv", {"channels": 4}),
    ("conv", {"channels": 4, "kernel": 3, "stride": 0}),
    ("conv", {"channels": 4, "kernel": 3, "activation": "rleu"}),
    ("conv", {"channels": 2.5, "kernel": 3}),
    ("max-pool", {"kernel": 7, "stride": 2}),
    ("max-pool", {"kernel": 2, "stride": 0}),
    ("linear", {"units": True}),
    ("conv", {"channels": 4, "kernel": 3, "groups": 2}),
    ("conv", {"channels": 4, "kernel": 3, "groups": 3}),
    ("conv", {"channels": 3, "kernel": 3, "groups": 0}),
    ("local-average-pool", {"kernel": 2, "stride": 1}),
    ("local-average-pool", {"kernel": 3, "stride": 0}),
    ("activation", {"activation": "none"}),
    ("batch-norm", {"activation": "rleu"}),
    ("residual-block", {"channels": 0}),
    ("residual-block", {"channels": 4, "stride": 0}),
    ("mb-conv", {"channels": 4, "kernel": 3}),
    ("mb-conv", {"channels": 4, "kernel": 3, "expansion": 0}),
    ("nasbench201-cell", {"channels": 4, "cell": CELL}),
    ("nasbench201-cell", {"channels": 3, "cell": CELL.replace("none", "nothing")}),
    ("nasbench201-cell", {"channels": 3, "cell": CELL.replace("none~0", "none~1")}),
    ("nasbench201-cell", {"channels": 3, "cell": "|none~0|"}),
    ("dropout", {"rate": 1.0}),
]


@pytest.mark.parametrize("inputs", [(2,), (2, 2), (0, 1, 2)])
def test_a_merge_takes_any_number_of_inputs(inputs: tuple[int, ...]) -> None:
    layers = (Layer.of("conv", channels=3, kernel=3), Layer.of("conv", channels=3, kernel=1))
    for kind, channels in (("add", 3), ("concat", 3 * len(inputs))):
        network = Architecture((*layers, Layer.of(kind, inputs)))
        assert predict(network, IMAGE).params == 27 * 3 + 6 + 9 + 6 + (channels * 36 + 1) * 4
        assert build(network, IMAGE)(torch.zeros(2, 3, 6, 6)).shape == (2, 4)


def test_a_residual_network_runs_and_has_the_predicted_costs() -> None:
    network, cost = build(RESIDUAL, IMAGE), predict(RESIDUAL, IMAGE)
    assert sum(p.numel() for p in network.parameters()) == cost.params
    maps = 36 * (27 * 8 + 72 * 8 + 8 * 8 + 27 * 2)
    assert cost.macs == maps + 13 * 9 * 4
    maps = 3 + 3 * 8 * 3 + 8 + 3 * 2 + 13
    assert cost.activation_bytes == 4 * (36 * maps + 13 * 9 * 3 + 13 * 9 + 4)
    network(torch.randn(2, 3, 6, 6)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_graph_computes_what_it_says() -> None:
    network = build(RESIDUAL, IMAGE).eval()
    x = torch.randn(2, 3, 6, 6)
    first, second, third, _, side, _, pool, head = network.nodes  # type: ignore[misc]
    one = first(x)
    total = one + third(second(one))
    expected = head(pool(torch.cat([total, side(x), x], dim=1)))
    torch.testing.assert_close(network(x), expected)


def test_a_graph_of_vectors() -> None:
    architecture = Architecture(
        (Layer.of("linear", units=5), Layer.of("add", (0, 1)), Layer.of("concat", (0, 2)))
    )
    assert predict(architecture, VECTOR).params == 30 + 44
    assert build(architecture, VECTOR)(torch.zeros(3, 5)).shape == (3, 4)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            (Layer.of("conv", channels=8, kernel=3), Layer.of("add", (0, 1))),
            r"Layer 2: Layer 'add' needs inputs of equal shape.*\(3, 6, 6\), \(8, 6, 6\)",
        ),
        (
            (Layer.of("max-pool", kernel=2, stride=2), Layer.of("concat", (0, 1))),
            r"Layer 2: Layer 'concat' needs inputs of equal shape except for the first axis",
        ),
        (
            (Layer.of("linear", units=8), Layer.of("conv", channels=8, kernel=3)),
            r"Layer 2: Layer 'conv' needs a map.*\(8,\)",
        ),
        (
            (Layer.of("conv", channels=8, kernel=3), Layer.of("linear", (0, 1), units=8)),
            r"Layer 2: Layer 'linear' takes one input, got 2",
        ),
        ((Layer.of("max-pool", kernel=7, stride=1),), "window 7 is larger than its 6x6 map"),
    ],
)
def test_wrong_shapes_are_refused_with_the_layer(layers: tuple[Layer, ...], message: str) -> None:
    architecture = Architecture(layers)
    for ask in (predict, build):
        with pytest.raises(InvalidArchitectureError, match=message):
            ask(architecture, IMAGE)


@pytest.mark.parametrize(("kind", "settings"), BAD_SETTINGS)
def test_bad_settings_are_refused(kind: str, settings: dict[str, int]) -> None:
    with pytest.raises(NASError):
        predict(Architecture((Layer.of(kind, **settings),)), IMAGE)


def test_every_kind_runs_alone_with_the_predicted_shape_and_cost(layer_kind: str) -> None:
    layer, inputs = example_layer(layer_kind), accepted_inputs(layer_kind)
    rules = layer_type(layer)
    shape = rules.output_shape(layer, inputs)
    if layer_kind == "decision":  # an entry of a table
        with pytest.raises(InvalidArchitectureError, match="cannot be built as a layer"):
            rules.build(layer, inputs)
        return
    module = rules.build(layer, inputs)
    assert module(*(torch.zeros(2, *x) for x in inputs)).shape == (2, *shape)
    assert sum(p.numel() for p in module.parameters()) == rules.params(layer, inputs)
    assert rules.label(layer).replace("-", " ").startswith(layer_kind.replace("-", " "))


def test_a_graph_lets_go_of_tensors_after_their_last_reader() -> None:
    network = build(RESIDUAL, IMAGE)
    #  conv 1, conv 2, conv 3, add (1, 3), conv (0), concat (4, 5, 0), pool, head
    expected = [[], [], [2], [1, 3], [], [0, 4, 5], [6], [7]]
    assert [sorted(nodes) for nodes in network.drops] == expected  # type: ignore[union-attr]
