"""The spaces of NAS-Bench-201 and NAS-Bench-Macro hold the published tables' networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nas_env.architecture import Candidate, Layer
from nas_env.layers import layer_type
from nas_env.layers.cells import EDGES, OPERATIONS, cell_operations, cell_text
from nas_env.network import build, layer_cost, predict
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.spaces.nasbench201 import expression
from nas_env.tasks import TaskSpec
from tests.support.paths import SHARED

Make = Callable[..., SearchSpace]
DATA = SHARED
DATASETS = {"c10": (32, 10), "c100": (32, 100), "in16": (16, 120)}  # side and classes
RESNET: Walk = (3, 0, 3, 1, 0, 1)


def table(name: str) -> dict[str, NDArray[Any]]:
    """Return the columns of a published table, or skip."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads the tables")
    if not (path := DATA / f"{name}.parquet").exists():
        pytest.skip(f"the published table {path} is not there")
    read = parquet.read_table(path)
    return {column: read[column].to_numpy() for column in read.column_names}


def nb201() -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Return the columns of NAS-Bench-201, and its walks."""
    columns = table("nb201")
    order = ("op_1_0", "op_2_0", "op_2_1", "op_3_0", "op_3_1", "op_3_2")
    return columns, np.stack([columns[name] for name in order], axis=1).astype(np.int64)


def macro() -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Return the columns of NAS-Bench-Macro, and its walks."""
    columns = table("nas_bench_macro")
    walks = np.stack([columns[f"layer{number}"] for number in range(1, 9)], axis=1)
    return columns, walks.astype(np.int64)


def spec_of(side: int, classes: int) -> TaskSpec:
    return TaskSpec("probe", 1, "image", (3, side, side), classes)


def walked_costs(space: SearchSpace, walks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the additive cost of each walk, by the automaton."""
    automaton = space.automaton()
    assert automaton.cost is not None
    nodes = spent = np.zeros(len(walks), dtype=np.int64)
    for decisions in walks.T:
        spent = spent + automaton.cost[nodes, decisions]
        nodes = automaton.next_state[nodes, decisions].astype(np.int64)
    assert automaton.final[nodes].all()
    return spent


def macs_by_edges(walks: NDArray[np.int64], spec: TaskSpec) -> NDArray[np.int64]:
    """Return the MACs of cells: those of the empty cell, and of each edge's operation."""
    space = SPACES.get("nasbench201")(spec.input_shape, spec.num_outputs)
    empty, *alone = (
        predict(space.decode((operation, 0, 0, 0, 0, 0)).architecture, spec).macs
        for operation in range(len(OPERATIONS))
    )
    own = np.array([0, *(macs - empty for macs in alone)])
    return empty + own[walks].sum(axis=1)


@pytest.mark.parametrize("dataset", DATASETS)
def test_parameters_and_macs_of_all_cells_are_the_table_s(dataset: str) -> None:
    columns, walks = nb201()
    spec = spec_of(*DATASETS[dataset])
    space = SPACES.get("nasbench201")(spec.input_shape, spec.num_outputs)
    params, macs = walked_costs(space, walks), macs_by_edges(walks, spec)
    assert len(walks) == space.size() == 15_625
    assert np.array_equal((params / 1e6).astype(np.float32), columns[f"params_m_{dataset}"])
    published = macs + spec.num_outputs  # they count the additions of the classifier's bias
    assert np.array_equal((published / 1e6).astype(np.float32), columns[f"flops_m_{dataset}"])
    for index in np.random.default_rng(0).integers(0, len(walks), 100):
        cost = predict(space.decode(walks[index]).architecture, spec)
        assert (cost.params, cost.macs) == (params[index], macs[index])


@pytest.mark.parametrize("dataset", DATASETS)
def test_built_cells_have_the_table_s_parameters(dataset: str) -> None:
    columns, walks = nb201()
    spec = spec_of(*DATASETS[dataset])
    space = SPACES.get("nasbench201")(spec.input_shape, spec.num_outputs)
    for index in np.random.default_rng(1).integers(0, len(walks), 20):
        with torch.device("meta"):
            network = build(space.decode(walks[index]).architecture, spec)
        params = sum(p.numel() for p in network.parameters())
        assert np.float32(params / 1e6) == columns[f"params_m_{dataset}"][index]


def test_the_cell_is_the_one_that_the_table_names() -> None:
    columns, walks = nb201()
    cells = [cell_text(tuple(walk)) for walk in walks.tolist()]
    assert cells == columns["arch"].tolist()
    assert [cell_operations(cell) for cell in cells] == [tuple(walk) for walk in walks.tolist()]


def classes(names: list[Any]) -> list[int]:
    """Return the number of each name in order of appearance."""
    numbers: dict[Any, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]


def test_there_are_6466_classes_of_cells(make_space: Make) -> None:
    space = make_space("nasbench201")
    assert len({expression(walk) for walk in space.enumerate()}) == 6466


def test_cells_share_a_key_where_the_table_says_isomorphic(make_space: Make) -> None:
    columns, walks = nb201()
    space = make_space("nasbench201")
    keys = [space.assemble(tuple(walk)).key for walk in walks.tolist()]
    assert classes(keys) == classes(columns["iso_class"].tolist())


def test_isomorphic_cells_share_a_key_but_are_other_networks(make_space: Make) -> None:
    space = make_space("nasbench201")
    one, other = space.decode((3, 0, 0, 0, 1, 0)), space.decode((0, 3, 0, 0, 0, 1))
    assert one.key != other.key  # both compute one convolution; the paper counts the zeros added
    one, other = space.decode((1, 2, 3, 0, 0, 1)), space.decode((1, 3, 2, 0, 0, 1))
    assert one.key == other.key == Candidate.from_json(one.to_json()).key
    assert one != other
    assert one.architecture.key != other.architecture.key


def test_published_examples_of_nas_bench_201(make_space: Make) -> None:
    spec = spec_of(32, 10)
    space = make_space("nasbench201")
    cost = predict(space.decode(RESNET).architecture, spec)
    assert (cost.params, cost.macs) == (559_386, 78_561_920)
    layers = space.decode(RESNET).architecture.layers
    cells, reduction = "nasbench201-cell", "residual-block"
    middle = [cells, reduction, cells, reduction, cells]
    kinds = ["conv", *middle, "batch-norm", "global-average-pool"]
    assert [layer.kind for layer in layers] == kinds
    assert [layers[index]["repeats"] for index in (1, 3, 5)] == [5, 5, 5]


def edge(x: Tensor, operation: int, module: nn.Module | None) -> Tensor:
    """Return what an edge makes of a map, written with torch's functions."""
    name = OPERATIONS[operation]
    if name == "none":
        return torch.zeros_like(x)
    if name == "skip_connect":
        return x
    if name == "avg_pool_3x3":
        ones = functional.avg_pool2d(torch.ones_like(x), 3, 1, 1)
        return functional.avg_pool2d(x, 3, 1, 1) / ones
    assert module is not None
    (weight,) = [p for p in module.parameters() if p.ndim == 4]
    mapped = functional.conv2d(functional.relu(x), weight, padding=weight.shape[-1] // 2)
    mean, variance = mapped.mean((0, 2, 3), keepdim=True), mapped.var((0, 2, 3), correction=0)
    return (mapped - mean) / (variance[None, :, None, None] + 1e-5).sqrt()


@pytest.mark.parametrize("walk", [RESNET, (3, 2, 4, 4, 3, 2), (2, 0, 0, 4, 1, 3), (0,) * 6])
def test_a_cell_computes_what_its_text_says(walk: Walk) -> None:
    torch.manual_seed(0)
    layer = Layer.of("nasbench201-cell", channels=4, cell=cell_text(walk))
    x = torch.randn(3, 4, 5, 6)
    module: Any = layer_type(layer).build(layer, [(4, 5, 6)])
    nodes = [x, *[torch.zeros_like(x)] * 3]
    for number, (source, target) in enumerate(EDGES):
        own = dict(module[0].paths).get(str(number))
        nodes[target] = nodes[target] + edge(nodes[source], walk[number], own)
    torch.testing.assert_close(module(x), nodes[3], rtol=1e-4, atol=1e-5)


def test_the_reduction_halves_odd_maps_too() -> None:
    layer = Layer.of("residual-block", channels=8, stride=2)
    for side, half in ((8, 4), (7, 4), (1, 1)):
        assert layer_cost(layer, ((4, side, side),)).output == (8, half, half)


def test_parameters_and_macs_of_all_chains_are_the_table_s() -> None:
    columns, walks = macro()
    spec = spec_of(32, 10)
    space = SPACES.get("nasbench-macro")(spec.input_shape, spec.num_outputs)
    costs = [predict(space.assemble(tuple(walk)).architecture, spec) for walk in walks.tolist()]
    assert len(walks) == space.size() == 6561
    assert np.array_equal(walked_costs(space, walks), columns["params"])
    assert [cost.params for cost in costs] == columns["params"].tolist()
    assert [cost.macs for cost in costs] == columns["flops"].tolist()


def test_built_chains_have_the_table_s_parameters() -> None:
    columns, walks = macro()
    spec = spec_of(32, 10)
    space = SPACES.get("nasbench-macro")(spec.input_shape, spec.num_outputs)
    for index in (0, *np.random.default_rng(0).integers(0, len(walks), 20), len(walks) - 1):
        with torch.device("meta"):
            network = build(space.decode(walks[index]).architecture, spec)
        assert sum(p.numel() for p in network.parameters()) == columns["params"][index]


def test_chains_that_are_one_network_have_one_key_and_one_result() -> None:
    columns, walks = macro()
    space = SPACES.get("nasbench-macro")((3, 32, 32), 10)
    keys = np.array([space.assemble(tuple(walk)).key for walk in walks.tolist()])
    runs = np.stack([columns[f"test_acc_{number}"] for number in (1, 2, 3)], axis=1)
    names, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    assert len(names) == 3969
    assert np.array_equal(runs, runs[first][inverse])  # the authors trained each once


def test_published_sizes_of_nas_bench_macro(make_space: Make) -> None:
    space = make_space("nasbench-macro")
    for decision, params in ((0, 387_882), (2, 2_932_586)):
        architecture = space.decode((decision,) * 8).architecture
        assert predict(architecture, spec_of(32, 10)).params == params


@pytest.mark.parametrize("mdp", ["construct", "edit"])
@pytest.mark.parametrize(("name", "walk"), [("nasbench201", RESNET), ("nasbench-macro", (1,) * 8)])
def test_its_networks_are_trained_on_anybody_s_images(
    make_arrays: Callable[..., dict[str, Any]], name: str, walk: Walk, mdp: str
) -> None:
    settings: dict[str, Any] = {"data": make_arrays(0, (3, 8, 8)), "budget": {"epochs": 1}}
    if mdp == "edit":
        settings |= {"start": walk, "inherit": True}
    env: Any = gym.make("NAS-v0", space=name, mdp=mdp, device="cpu", **settings)
    _, info = env.reset(seed=0)
    stop = env.action_space.n - 1
    for action in walk if mdp == "construct" else np.flatnonzero(info["action_mask"][:stop])[:1]:
        _, _, terminated, _, info = env.step(action)
    assert info["evaluation"]["outcome"] == "ok"
    assert 0 <= info["evaluation"]["accuracy"] <= 1
    assert terminated is (mdp == "construct")
    inner = env.unwrapped
    expected = predict(inner.candidate.architecture, inner.task.spec)
    assert info["evaluation"]["params"] == expected.params
    assert (inner.candidate.walk == walk) is (mdp == "construct")


def test_repeated_cells_follow_one_another_with_weights_of_their_own() -> None:
    torch.manual_seed(0)
    one, three = (
        Layer.of("nasbench201-cell", channels=4, cell=cell_text(RESNET), repeats=repeats)
        for repeats in (1, 3)
    )
    rules, shape = layer_type(one), [(4, 6, 6)]
    modules = [rules.build(layer, shape) for layer in (one, three)]
    for measure in (rules.params, rules.macs, rules.activation_bytes):
        assert measure(three, shape) == 3 * measure(one, shape)
    counts = [sum(p.numel() for p in module.parameters()) for module in modules]
    assert counts == [rules.params(one, shape), 3 * counts[0]]
    assert rules.label(three) == rules.label(one) + " x3"
