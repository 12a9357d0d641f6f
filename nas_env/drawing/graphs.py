"""The graphs of a drawing: one panel for the layers, and one for each distinct cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from nas_env.architecture import Architecture, Layer, Shape
from nas_env.layers import layer_type
from nas_env.layers.cells import EDGES, NODES, OPERATIONS, cell_operations
from nas_env.layers.nasnet import INPUTS, cell_blocks, unread
from nas_env.layers.nsc_block import UNARY, block_codes, leaves
from nas_env.network import PlacedLayer, place
from nas_env.tasks.base import TaskSpec

KINDS = {  # colour class of each layer kind
    "conv": "convolution",
    "mb-conv": "convolution",
    "residual-block": "convolution",
    "sep": "convolution",
    "dilated": "convolution",
    "linear": "linear",
    "nasnet-cell": "cell",
    "nasbench201-cell": "cell",
    "nsc-block": "cell",
    "add": "merge",
    "concat": "merge",
    "max": "pooling",
    "avg": "pooling",
    "activation": "other",
    "batch-norm": "other",
    "dropout": "other",
    "identity": "other",
}
SHORT = {
    "add": "+",
    "none": "zero",
    "skip_connect": "identity",
    "nor_conv_1x1": "conv 1\u00d71",
    "nor_conv_3x3": "conv 3\u00d73",
    "avg_pool_3x3": "avg-pool 3\u00d73",
}

STACKED = {"convolution", "pooling", "other"}
EACH = " each"
MANY = 24  # with more boxes, consecutive layers share a box


@dataclass(frozen=True)
class Node:
    """One box.

    Attributes:
        label: Text of the box, one or several lines.
        kind: Colour class: input, convolution, pooling, linear, cell, merge, other or head.
        reads: Indices of its input nodes.
        detail: An additional, smaller line.
        times: Number of consecutive repeats.
    """

    label: str
    kind: str
    reads: tuple[int, ...] = ()
    detail: str = ""
    times: int = 1

    @property
    def lines(self) -> list[str]:
        """The lines of the box in large letters."""
        first, *rest = self.label.split("\n")
        return [f"{self.times} \u00d7 {first}" if self.times > 1 else first, *rest]


@dataclass(frozen=True)
class Panel:
    """One graph of a drawing, with its title."""

    title: str
    nodes: tuple[Node, ...]


def panels(architecture: Architecture, spec: TaskSpec, complete: bool = True) -> list[Panel]:
    """Return one panel for the layers, and one for each distinct cell.

    For a table whose networks cannot be built, the panel shows the decisions.
    """
    if spec.modality == "table":
        nodes = [
            Node(pretty(layer_type(x).label(x)), "other", (i - 1,) if i else ())
            for i, x in enumerate(architecture.layers)
        ]
        return [Panel("", tuple(nodes))]
    cells = _cells(architecture)
    placed = list(place(architecture, spec))
    nodes = [Node("input", "input", detail=_shape(spec.input_shape))]
    nodes += [_layer_node(x, cells) for x in placed[:-1]]
    if complete:
        head = placed[-1]
        nodes.append(Node(f"classifier {spec.num_outputs}", "head", head.reads, _detail(head)))
    nodes = merged(nodes)
    if len(nodes) > MANY and any(len(node.reads) > 1 for node in nodes):
        nodes = stacked(nodes)
    inner = [Panel(name, tuple(graph)) for name, graph in cells.values()]
    return [Panel("network" if inner else "", tuple(nodes)), *inner]


def merged(nodes: Sequence[Node]) -> list[Node]:
    """Merge consecutive equal nodes into one node with a number of repeats."""
    distinct: list[Node] = []
    place_of: list[int] = []
    for number, node in enumerate(nodes):
        reads = tuple(place_of[x] for x in node.reads)
        alone = all(number - 1 not in x.reads for x in nodes[number + 1 :])
        last = distinct[-1] if distinct else None
        follows = last is not None and reads == (len(distinct) - 1,) and node.kind != "merge"
        if follows and alone and last is not None and _same(node, last):
            each = EACH if "parameters" in node.detail else ""
            distinct[-1] = replace(last, times=last.times + 1, detail=node.detail + each)
        else:
            distinct.append(replace(node, reads=reads))
        place_of.append(len(distinct) - 1)
    return distinct


def _same(a: Node, b: Node) -> bool:
    return (a.label, a.detail) == (b.label, b.detail.removesuffix(EACH)) and a.times == 1


def stacked(nodes: Sequence[Node]) -> list[Node]:
    """Merge consecutive plain layers into one box with one line per layer."""
    readers = [
        [i for i, x in enumerate(nodes) if number in x.reads] for number in range(len(nodes))
    ]
    boxes: list[Node] = []
    place_of: list[int] = []
    for number, node in enumerate(nodes):
        plain = {node.kind} <= STACKED and node.reads == (number - 1,)
        if plain and readers[number - 1] == [number] and nodes[number - 1].kind in STACKED:
            last = boxes[-1]
            label = f"{last.label}\n{node.label}"
            boxes[-1] = replace(last, label=label, detail=node.detail.split(",")[0])
        else:
            boxes.append(replace(node, reads=tuple(place_of[x] for x in node.reads)))
        place_of.append(len(boxes) - 1)
    return boxes


def spoken(name: str) -> str:
    """Return the name of an operation in readable form.

    Example:
        >>> spoken("conv-1x3-3x1"), spoken("max-pool-5x5"), spoken("conv-3")
        ('conv 1\u00d73, 3\u00d71', 'max-pool 5\u00d75', 'conv 3')
    """
    head, *sizes = re.split(r"-(?=\d)", name)
    return pretty(" ".join([head, ", ".join(sizes)]).strip())


def pretty(label: str) -> str:
    """Return a label with multiplication signs in sizes such as 3x3.

    Example:
        >>> pretty("conv 16, 3x3, x6")
        'conv 16, 3\u00d73, \u00d76'
    """
    return re.sub(r"(?<=[\d ])x(?=\d)", "\u00d7", label)


def kind_of(name: str) -> str:
    """Return the colour class of a layer or an operation."""
    if "pool" in name:
        return "pooling"
    return KINDS.get(name) or KINDS.get(re.split("[-_]", name)[0]) or "other"


def _layer_node(placed: PlacedLayer, cells: dict[str, tuple[str, list[Node]]]) -> Node:
    layer, label = placed.layer, layer_type(placed.layer).label(placed.layer)
    text = _text_of(layer)
    if text is not None:
        stride = ", stride 2" if layer.get("stride", 1) == 2 else ""
        label = f"{cells[text][0]}, {layer['channels']} channels{stride}"
    if layer.kind in ("add", "concat"):
        return Node(SHORT.get(layer.kind, layer.kind), "merge", placed.reads)
    if layer.kind == "conv" and 1 < layer.get("groups", 1) == layer["channels"]:
        label = label.replace("conv", "depthwise conv", 1)
    node = Node(pretty(label), kind_of(layer.kind), placed.reads, _detail(placed))
    return replace(node, times=int(layer.get("repeats", 1)) if text else 1)


def _detail(placed: PlacedLayer) -> str:
    params = f"{placed.cost.params:,} parameters" if placed.cost.params else ""
    return ", ".join(x for x in (_shape(placed.cost.output), params) if x)


def _shape(shape: Shape) -> str:
    return "\u00d7".join(map(str, shape))


def _text_of(layer: Layer) -> str | None:
    """Return the text of a layer that is a cell, or None for other layers."""
    name = {"nasnet-cell": "cell", "nasbench201-cell": "cell", "nsc-block": "code"}.get(layer.kind)
    return None if name is None else str(layer[name])


def _cells(architecture: Architecture) -> dict[str, tuple[str, list[Node]]]:
    """Return the name and the graph of each distinct cell, by its text."""
    cells = {text: x for x in architecture.layers if (text := _text_of(x)) is not None}
    names = _names(architecture, list(cells))
    return {text: (names[text], list(GRAPHS[layer.kind](text))) for text, layer in cells.items()}


def _names(architecture: Architecture, texts: Sequence[str]) -> dict[str, str]:
    """Return the names of the cells; a cell that always has a stride is the reduction cell."""
    if len(texts) == 1:
        return {texts[0]: "block" if " | " in texts[0] and "~" not in texts[0] else "cell"}
    names = {}
    for number, text in enumerate(texts, start=1):
        same = [x for x in architecture.layers if _text_of(x) == text]
        strides = {x.get("stride", 1) for x in same}
        names[text] = {(1,): "normal cell", (2,): "reduction cell"}.get(tuple(strides), "cell")
        if list(names.values()).count(names[text]) > 1:
            names[text] = f"{names[text]} {number}"
    return names


def _nasnet(text: str) -> Iterator[Node]:
    """Yield the inputs, operations, blocks and output of a NASNet cell."""
    yield Node("cell before last", "input")
    yield Node("last cell", "input")
    blocks = cell_blocks(text)
    place_of, count = list(range(INPUTS)), INPUTS
    for block in blocks:
        for read, name in zip(block.inputs, block.operations, strict=True):
            yield Node(spoken(name), kind_of(name), (place_of[read],))
        yield Node(SHORT.get(block.combine, block.combine), "merge", (count, count + 1))
        place_of.append(count + 2)
        count += 3
    yield _output(tuple(place_of[x] for x in unread(blocks)))


def _output(reads: tuple[int, ...]) -> Node:
    return Node("output: concat" if len(reads) > 1 else "output", "head", reads)


def _nasbench201(text: str) -> Iterator[Node]:
    """Yield the four nodes of a NAS-Bench-201 cell and the operations between them."""
    yield Node("node 0: input", "input")
    place_of, count = [0], 1
    operations = dict(zip(EDGES, (OPERATIONS[x] for x in cell_operations(text)), strict=True))
    for target in range(1, NODES):
        reads = []
        for source in range(target):
            name = operations[source, target]
            if name == "skip_connect":
                reads.append(place_of[source])
            elif name != "none":
                yield Node(SHORT[name], kind_of(name.removeprefix("nor_")), (place_of[source],))
                reads.append(count)
                count += 1
        sign = "sum" if len(reads) > 1 else "" if reads else "zeros"
        name = f"node {target}: output" if target == NODES - 1 else f"node {target}"
        label = f"{name} ({sign})" if sign else name
        yield Node(label, "head" if target == NODES - 1 else "merge", tuple(reads))
        place_of.append(count)
        count += 1


def _nsc(text: str) -> Iterator[Node]:
    """Yield the layers of a BlockQNN block."""
    yield Node("input of the block", "input")
    codes = block_codes(text)
    for code in codes:
        kind = kind_of(code.operation) if code.operation in UNARY else "merge"
        name = re.sub(r"-(\d)$", r"-\1x\1", code.operation).replace("max", "max-pool")
        name = spoken(name.replace("avg", "avg-pool"))
        yield Node(SHORT.get(name, name), kind, code.inputs)
    yield _output(tuple(leaves(codes)))


GRAPHS: dict[str, Callable[[str], Iterator[Node]]] = {
    "nasnet-cell": _nasnet,
    "nasbench201-cell": _nasbench201,
    "nsc-block": _nsc,
}
