"""Drawings as SVG: every space, nothing cut off, nothing overlapping, text escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import gymnasium as gym
import numpy as np
import pytest

from nas_env.architecture import Architecture, Layer
from nas_env.drawing import draw_svg
from nas_env.drawing.graphs import Node, Panel, panels
from nas_env.drawing.layout import Arranged, arrange
from nas_env.markup import element
from nas_env.network import predict
from nas_env.spaces import SPACES
from nas_env.tasks import TaskSpec

SVG = "{http://www.w3.org/2000/svg}"
SPEC = TaskSpec("test", 1, "image", (1, 8, 8), 10)


def drawn(name: str) -> tuple[list[Arranged], ET.Element]:
    """Return panels and parsed SVG of a random network of a space."""
    env = gym.make("NAS-v0", space=name, evaluator="synthetic").unwrapped
    candidate = env.space.decode(env.space.sample(np.random.default_rng(2)))
    spec = env.task.spec
    text = draw_svg(candidate.architecture, spec, f"{name}, best")
    return [arrange(x) for x in panels(candidate.architecture, spec)], ET.fromstring(text)


@pytest.mark.parametrize("name", list(SPACES))
def test_boxes_do_not_touch_and_stay_inside(name: str) -> None:
    arranged, root = drawn(name)
    width, height = (float(x) for x in root.attrib["viewBox"].split()[2:])
    assert sum(x.width for x in arranged) < width
    assert max(x.height for x in arranged) < height
    for panel in arranged:
        for box in panel.boxes:
            assert box.x - box.width / 2 + 1e-6 >= 0
            assert box.x + box.width / 2 <= panel.width + 1e-6
        for a, b in combinations(panel.boxes, 2):
            beside = abs(a.x - b.x) >= (a.width + b.width) / 2
            assert beside or abs(a.y - b.y) >= (a.height + b.height) / 2


@pytest.mark.parametrize("name", ["skip-chain", "nasnet-cell", "enas-macro", "block-qnn"])
def test_long_arrows_pass_beside_boxes(name: str) -> None:
    arranged, _ = drawn(name)
    passed = 0
    for panel in arranged:
        for arrow in panel.arrows:
            for (x, top), (u, bottom) in pairwise(arrow[1:-1]):
                passed += x == u
                for box in panel.boxes:
                    in_row = top <= box.y <= bottom
                    assert not (x == u and in_row and abs(x - box.x) < box.width / 2)
    assert passed, "no arrow of this network is long: the test looks at nothing"


def test_what_a_layer_reads_is_an_arrow() -> None:
    layers = (
        Layer.of("conv", channels=4, kernel=3),
        Layer.of("conv", channels=4, kernel=1),
        Layer.of("concat", inputs=(1, 2)),
    )
    (panel,) = panels(Architecture(layers), SPEC)
    assert [x.reads for x in panel.nodes] == [(), (0,), (1,), (1, 2), (3,)]
    assert len(arrange(panel).arrows) == 5
    root = ET.fromstring(draw_svg(Architecture(layers), SPEC))
    assert len([x for x in root.iter(f"{SVG}path") if "marker-end" in x.attrib]) == 5
    words = [x.text for x in root.iter(f"{SVG}text")]
    assert "conv 4, 3\u00d73" in words and "concat" in words
    total = sum(
        int(word.split()[-2].replace(",", "")) for word in words if word and "parameters" in word
    )
    assert total == predict(Architecture(layers), SPEC).params


def test_equal_layers_are_one_box_with_their_number() -> None:
    layer = Layer.of("conv", channels=1, kernel=3)
    (panel,) = panels(Architecture((layer,) * 3), SPEC)
    assert [x.lines[0] for x in panel.nodes] == [
        "input",
        "3 \u00d7 conv 1, 3\u00d73",
        "classifier 10",
    ]
    assert panel.nodes[1].detail.endswith("parameters each")


def test_the_cell_of_nasbench201_leaves_out_what_is_none() -> None:
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    stem = Layer.of("conv", channels=4, kernel=3)
    layer = Layer.of("nasbench201-cell", channels=4, cell=cell)
    network, inside = panels(Architecture((stem, layer)), SPEC)
    assert network.title == "network"
    assert [(x.label, x.kind, x.reads) for x in inside.nodes] == [
        ("node 0: input", "input", ()),
        ("conv 3\u00d73", "convolution", (0,)),
        ("node 1", "merge", (1,)),
        ("node 2", "merge", (2,)),
        ("avg-pool 3\u00d73", "pooling", (3,)),
        ("node 3: output (sum)", "head", (0, 4)),
    ]


def test_the_same_network_gives_the_same_bytes_and_text_is_escaped() -> None:
    network = Architecture((Layer.of("conv", channels=4, kernel=3),))
    title = "<script>alert('x')</script> & \"more\""
    text = draw_svg(network, SPEC, title)
    assert text == draw_svg(network, SPEC, title)
    assert "<script" not in text
    assert title in [x.text for x in ET.fromstring(text).iter(f"{SVG}text")]


def test_attributes_are_escaped_as_well() -> None:
    assert element("a", title='"><b>') == '<a title="&quot;&gt;&lt;b&gt;"></a>'
    assert element("a", hidden=True, id=None, x=0.1 + 0.2) == '<a hidden x="0.3"></a>'
    assert element("a", [1, None, element("b")], "\x00") == "<a>1<b></b>\ufffd</a>"


def test_arrows_of_one_node_share_a_lane_that_crosses_no_other() -> None:
    nodes = (
        Node("a", "input"),
        Node("b", "other", (0,)),
        Node("c", "other", (1,)),
        Node("d", "merge", (0, 2)),
        Node("e", "head", (0, 3)),
    )
    arrows = arrange(Panel("", nodes)).arrows
    long = [x for x in arrows if len(x) > 2]
    assert len(long) == 2
    short, longer = sorted(long, key=len)
    assert longer[: len(short) - 1] == short[:-1]
