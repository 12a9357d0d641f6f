"""The search spaces of papers: their sizes, their networks, and the repairs of what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidArchitectureError
from nas_env.layers import layer_type
from nas_env.layers.nasnet import OPERATIONS, Block, cell_blocks, cell_text, operation_chain
from nas_env.layers.nsc_block import Code, block_codes, block_text, leaves
from nas_env.network import build, predict
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.tasks import TaskSpec
from tests.support.paths import SHARED

Make = Callable[..., SearchSpace]
ACCEL = SHARED / "accel_nasbench.parquet"


def decisions(space: SearchSpace, *labels: str) -> Walk:
    """Return the walk of these options, by label."""
    numbers = {option.label: number for number, option in enumerate(space.options())}
    return tuple(numbers[label] for label in labels)


def spec(shape: tuple[int, ...] = (3, 32, 32), outputs: int = 10) -> TaskSpec:
    return TaskSpec("probe", 1, "image", shape, outputs)


@pytest.mark.parametrize(
    ("name", "length", "decisions", "states", "size"),
    [
        ("skip-chain", 33, 14, 34, 64**6 * 2**15),
        ("skip-chain-15", 150, 14, 151, 64**15 * 2**105),
        ("skip-chain-strides", 39, 17, 40, (64 * 3) ** 6 * 2**15),
        ("nasnet-cell", 50, 21, 51, ((2 * 3 * 4 * 5 * 6) ** 2 * 13**10 * 2**5) ** 2),
        ("enas-cell", 40, 11, 41, ((2 * 3 * 4 * 5 * 6) ** 2 * 5**10) ** 2),
        ("enas-macro", 78, 8, 79, 6**12 * 2**66),
        ("block-qnn", 24, 19, 151, None),
        ("mobile", 28, 11, 29, 36**6 * 48),
    ],
)
def test_sizes_are_those_of_the_papers(
    make_space: Make, name: str, length: int, decisions: int, states: int, size: int | None
) -> None:
    space = make_space(name)
    assert (space.max_length, space.num_decisions) == (length, decisions)
    assert len({space.project(state) for state in space.automaton().states}) == states
    assert size is None or space.size() == size


# ---- skip-chain ----


def skip_walk(space: SearchSpace, *layers: tuple[int, int, int, int, str]) -> Walk:
    """Return the walk of layers of height, width, filters, stride (0: none) and skips."""
    labels: list[str] = []
    for height, width, filters, stride, skips in layers:
        labels += [f"height {height}", f"width {width}", f"filters {filters}"]
        labels += [f"stride {stride}"] if stride else []
        labels += ["skip reads" if skip == "1" else "skip apart" for skip in skips]
    return decisions(space, *labels)


def test_a_layer_without_input_reads_the_image_and_dangling_ones_are_joined(
    make_space: Make,
) -> None:
    space = make_space("skip-chain")
    plain = (3, 3, 24, 0)
    walk = skip_walk(
        space,
        (*plain, ""),
        (*plain, "1"),
        (*plain, "00"),  # reads the image
        (1, 5, 36, 0, "110"),
        (*plain, "0000"),
        (7, 7, 64, 0, "00001"),
    )
    layers = space.decode(walk).architecture.layers
    kinds = [layer.kind for layer in layers]
    assert kinds == [*["conv"] * 3, "concat", *["conv"] * 3, "concat", "global-average-pool"]
    reads = [Architecture(layers).inputs_of(index) for index in range(len(layers))]
    assert reads[:3] == [(0,), (1,), (0,)]
    assert reads[3] == (1, 2), "concatenated in depth"
    assert reads[4:7] == [(4,), (0,), (6,)]
    assert reads[7] == (3, 5, 7), "what nobody read"
    assert layer_type(layers[4]).label(layers[4]) == "conv 36, 1x5"
    assert predict(space.decode(walk).architecture, spec()).params == (
        2 * 24 * (27 + 2)
        + 24 * (9 * 24 + 2)  # the first three
        + 36 * (5 * 48 + 2)
        + 24 * (27 + 2)
        + 64 * (49 * 24 + 2)
        + 10 * (24 + 36 + 64 + 1)
    )


def test_maps_of_different_size_are_padded_with_zeros(make_space: Make) -> None:
    space = make_space("skip-chain-strides")
    walk = skip_walk(
        space,
        (3, 3, 24, 2, ""),
        (3, 3, 24, 3, "1"),
        (3, 3, 24, 1, "11"),
        (1, 1, 24, 1, "001"),
        (1, 1, 24, 1, "0001"),
        (1, 1, 24, 1, "00001"),
    )
    layers = space.decode(walk).architecture.layers
    pads = [layer for layer in layers if layer.kind == "zero-pad"]
    assert [(pad["height"], pad["width"]) for pad in pads] == [(16, 16)], "32 / 2, and not 6"
    build(space.decode(walk).architecture, spec())


def test_zeros_are_around_the_middle_and_nothing_is_cut_off() -> None:
    import torch

    layer = Layer.of("zero-pad", height=4, width=5)
    padded = layer_type(layer).build(layer, [(1, 1, 2)])(torch.ones(1, 1, 1, 2))
    assert padded.shape == (1, 1, 4, 5)
    assert padded[0, 0].nonzero().tolist() == [[1, 1], [1, 2]]
    with pytest.raises(InvalidArchitectureError, match="cannot be padded to 4x5"):
        layer_type(layer).output_shape(layer, [(1, 8, 2)])


@pytest.mark.parametrize("settings", [{"kernel_width": 5}, {"dilation": 2}, {"kernel_width": 4}])
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_oblong_and_dilated_convolutions_keep_the_size(kernel: int, settings: Any) -> None:
    architecture = Architecture(
        (Layer.of("conv", channels=2, kernel=kernel, **settings), Layer.of("global-average-pool"))
    )
    import torch

    network = build(architecture, spec((1, 9, 7)))
    assert network[0](torch.zeros(1, 1, 9, 7)).shape == (1, 2, 9, 7)


# ---- cells ----


def test_cells_survive_their_text() -> None:
    blocks = (
        Block((0, 1), ("sep-3x3", "identity"), "add"),
        Block((2, 2), OPERATIONS[1:3], "concat"),
    )
    assert cell_blocks(cell_text(blocks)) == blocks
    for wrong in ("", "0 sep-3x3 1 identity", "0 sep-3x3 2 identity add", "0 conv 1 identity add"):
        with pytest.raises(InvalidArchitectureError, match="of a cell is invalid"):
            cell_blocks(wrong)


def test_a_cell_concatenates_what_no_block_reads() -> None:
    text = "0 sep-3x3 1 identity add | 2 conv-1x1 2 max-pool-3x3 add | 0 identity 1 identity concat"
    layer = Layer.of("nasnet-cell", cell=text, channels=6)
    assert layer_type(layer).output_shape(layer, [(6, 8, 8), (6, 8, 8)]) == (12, 8, 8)
    half = Layer.of("nasnet-cell", cell=text, channels=6, stride=2)
    assert layer_type(half).output_shape(half, [(3, 16, 16), (6, 8, 8)]) == (12, 4, 4)
    with pytest.raises(InvalidArchitectureError, match="must be a multiple of the second"):
        layer_type(layer).output_shape(layer, [(6, 9, 9), (6, 6, 6)])
    with pytest.raises(InvalidArchitectureError, match="needs two maps"):
        layer_type(layer).output_shape(layer, [(6, 8, 8)])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_keep_the_channels_and_divide_the_map(name: str, stride: int) -> None:
    shape: tuple[int, ...] = (6, 9, 9)
    for layer in operation_chain(name, 6, stride):
        shape = layer_type(layer).output_shape(layer, [shape])
    assert shape == ((6, 9, 9) if stride == 1 else (6, 5, 5))


def test_the_network_around_the_cells_is_the_papers(make_space: Make) -> None:
    space = make_space("nasnet-cell")
    layers = space.decode(space.sample(np.random.default_rng(0))).architecture.layers
    cells = [layer for layer in layers if layer.kind == "nasnet-cell"]
    assert [x["channels"] for x in cells] == [4, 4, 8, 8, 8, 16, 16, 16]
    assert [x.get("stride", 1) for x in cells] == [1, 1, 2, 1, 1, 2, 1, 1]
    assert len({x["cell"] for x in cells}) == 2
    assert [x.inputs for x in cells[:3]] == [(1, 1), (1, 2), (2, 3)]
    with pytest.raises(InvalidArchitectureError, match="'sep-9x9' of a cell is unknown"):
        operation_chain("sep-9x9", 4, 1)


# ---- blocks ----


def test_blocks_survive_their_text_and_their_leaves_are_joined(make_space: Make) -> None:
    codes = (Code("conv-3", (0,)), Code("max-3", (0,)), Code("concat", (1, 2)), Code("avg-1", (1,)))
    assert block_codes(block_text(codes)) == codes
    assert leaves(codes) == [3, 4]
    for wrong in ("", "conv-3", "conv-3 1", "add 0", "conv-7 0"):
        with pytest.raises(InvalidArchitectureError, match="of a block is invalid"):
            block_codes(wrong)
    space = make_space("block-qnn")
    walk = decisions(
        space, "conv-3", "reads 0", "max-3", "reads 0", "concat", "reads 1", "reads 2", "stop"
    )
    layers = space.decode(walk).architecture.layers
    blocks = [layer for layer in layers if layer.kind == "nsc-block"]
    assert [x["channels"] for x in blocks] == [8, 16, 32]
    assert {x["code"] for x in blocks} == {"conv-3 0 | max-3 0 | concat 1 2"}


def test_the_second_input_of_a_sum_comes_after_the_first(make_space: Make) -> None:
    space = make_space("block-qnn")
    state = space.start()
    for decision in decisions(space, "conv-1", "reads 0", "conv-1", "reads 1", "add"):
        state = space.follow(state, decision)
    first = space.choice(state)
    assert first is not None
    assert [first.options[x].label for x in first.legal] == ["reads 0", "reads 1"]
    second = space.choice(space.follow(state, first.legal[1]))
    assert second is not None
    assert [second.options[x].label for x in second.legal] == ["reads 2"]


# ---- mobile ----


@pytest.mark.skipif(not ACCEL.is_file(), reason="the source table is not beside this checkout")
def test_mobile_networks_have_the_published_parameters() -> None:
    """Accel-NASBench: 224x224 images of 1,000 classes; params in millions, to a float32."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(ACCEL).to_pandas().sample(60, random_state=0)
    space = SPACES.get("mobile")((3, 224, 224), 1000)
    names = ("expansion", "kernel", "layers", "squeeze-excite")
    for _, row in rows.iterrows():
        labels = []
        for block in range(7):
            for name, column in zip(names, ("e", "k", "l", "se"), strict=True):
                value = int(row[f"block{block}_{column}"])
                labels.append(f"{name} {bool(value) if column == 'se' else value}")
        network = space.decode(decisions(space, *labels)).architecture
        cost = predict(network, spec((3, 224, 224), 1000))
        assert cost.params / 1e6 == pytest.approx(row["params_m"], abs=1e-6)
