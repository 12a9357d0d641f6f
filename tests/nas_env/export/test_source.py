"""A network of any space and any kind of layer is written as source that computes the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas_env.architecture import Architecture, Layer
from nas_env.errors import InvalidArchitectureError, InvalidSettingError, UnknownNameError
from nas_env.export import write_source
from nas_env.layers import LAYERS
from nas_env.layers.base import LayerType
from nas_env.sources.preprocessing import apply
from nas_env.spaces import SPACES, SearchSpace
from nas_env.tasks import TASKS, TaskSpec
from tests.support.layer_examples import accepted_inputs, example_layer
from tests.support.written_network import as_if_trained, complaints, outputs, restored, run

IMAGE = TaskSpec("probe", 1, "image", (3, 6, 6), 4)
VECTOR = TaskSpec("probe", 1, "vector", (5,), 4)
WALKS = 3
SHAPES = {(3, 32, 32): (3, 8, 8)}  # deep networks get small images
Make = Callable[..., SearchSpace]


def same(architecture: Architecture, spec: TaskSpec) -> str:
    """Compare a network with its source, and return the source."""
    source = write_source(architecture, spec)
    searched = as_if_trained(architecture, spec)
    written = restored(source, searched)
    x = torch.randn(3, *spec.input_shape)
    for training in (False, True, False):  # the last with the moments of the training pass
        expected, found = (outputs(network, x, training) for network in (searched, written))
        assert expected.abs().max() > 0
        assert torch.equal(found, expected), f"training: {training}"
    return source.text


def walks(space: SearchSpace) -> Iterator[Architecture]:
    rng = np.random.default_rng(0)
    for _ in range(WALKS):
        yield space.decode(space.sample(rng)).architecture


def small(make_space: Make, name: str) -> SearchSpace:
    default = SPACES.get(name).default_shape
    shape = (1, 8, 8) if name.startswith("metaqnn") else SHAPES.get(default)
    return make_space(name, shape)


def test_every_space_is_written(
    make_space: Make, spec_for: Callable[[SearchSpace], TaskSpec], space_name: str
) -> None:
    space = small(make_space, space_name)
    for architecture in walks(space):
        text = same(architecture, spec_for(space))
        assert text == write_source(architecture, spec_for(space)).text
        assert "nas_env" not in text
    assert complaints(text) == ""


def example(kind: str) -> tuple[Architecture, TaskSpec]:
    """Return a network in which a kind of layer reads one or two others, and its task."""
    inputs = accepted_inputs(kind)
    shape = inputs[0]
    if len(shape) == 3:
        first, spec = Layer.of("conv", channels=shape[0], kernel=3, activation="none"), IMAGE
    else:
        first, spec = Layer.of("linear", units=shape[0], activation="none"), VECTOR
    return Architecture((first, first, example_layer(kind, (1, 2)[: len(inputs)]))), spec


def test_every_kind_of_layer_is_written(layer_kind: str) -> None:
    architecture, spec = example(layer_kind)
    if layer_kind == "decision":  # an entry of a table
        with pytest.raises(InvalidArchitectureError, match="cannot be built as a layer"):
            write_source(architecture, spec)
        return
    assert complaints(same(architecture, spec)) == ""


@pytest.mark.parametrize("shape", [(1, 7, 5), (2, 13, 9)])
def test_oblong_maps_and_even_kernels(shape: tuple[int, int, int]) -> None:
    layers = [Layer.of("conv", channels=4, kernel=4), Layer.of("conv", channels=4, kernel=2)]
    graph = Architecture((*layers, Layer.of("zero", (1,)), Layer.of("add", (3, 2))))
    text = same(graph, TaskSpec("probe", 1, "image", shape, 4))
    assert text.count("nn.ZeroPad2d") == 2


class Gate(nn.Module):
    """Two branches with dropout, a weight and a buffer of its own, one function of torch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Dropout(0.5))
        self.right = nn.Sequential(nn.Dropout(0.3), nn.Conv2d(channels, channels, 3, padding=1))
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.register_buffer("shift", torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        right, left = self.right(x), self.left(x)
        return (left - (right - self.shift)) * self.scale * torch.clamp(x, min=0.0).mean(1, True)


class Undecided(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def layer_of(module: Callable[[], nn.Module]) -> type[LayerType]:
    class Own(LayerType):
        def output_shape(self, layer: Layer, inputs: Any) -> Any:
            return inputs[0]

        def build(self, layer: Layer, inputs: Any) -> nn.Module:
            return module()

        def label(self, layer: Layer) -> str:
            return layer.kind

    return Own


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], nn.Module]], Architecture]:
    def network(module: Callable[[], nn.Module]) -> Architecture:
        assert "conv" in LAYERS
        monkeypatch.setitem(LAYERS._entries, "own-kind", layer_of(module)())
        return Architecture((Layer.of("own-kind"), Layer.of("own-kind")))

    return network


def test_a_layer_of_anybodys_is_written_without_a_line_for_it(own: Any) -> None:
    text = same(own(lambda: Gate(3)), IMAGE)
    assert "class Own(nn.Module)" in text and "Own()" in text
    assert "self.scale = nn.Parameter(torch.empty((3, 1, 1)))" in text
    assert complaints(text) == ""


class Wave(nn.Module):
    """No modules, and a value that is read twice."""

    def forward(self, x: Tensor) -> Tensor:
        value = torch.sin(x)
        return value * (value + 1.0) - x


def test_a_function_without_modules_stands_in_the_network(own: Any) -> None:
    graph = own(Wave)
    text = same(Architecture((*graph.layers, Layer.of("add", (0, 1, 2)))), IMAGE)
    assert "class Own" not in text and "torch.sin(" in text
    assert complaints(text) == ""


def test_a_layer_that_depends_on_values_is_refused(own: Any) -> None:
    with pytest.raises(InvalidArchitectureError, match="Undecided at '0' cannot be written"):
        write_source(own(Undecided), IMAGE)


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.arange(6.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table


class Pair(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x, x


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.relu(self.conv(self.relu(x))))


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(input=x)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Twice, r"'0\.conv' cannot be written.*called twice"),
        (Named, r"'0\.conv' cannot be written.*by position"),
        (Constant, "reads a tensor that is not in its state dict"),
        (Pair, "returns a tuple"),
    ],
)
def test_what_cannot_be_restored_is_refused(own: Any, module: Any, message: str) -> None:
    with pytest.raises(InvalidArchitectureError, match=message):
        write_source(own(module), IMAGE)


def test_what_nothing_reads_is_left_out() -> None:
    convolutions = [Layer.of("conv", (0,), channels=3, kernel=k) for k in (1, 3, 5)]
    architecture = Architecture((*convolutions, Layer.of("add", (3, 1))))
    source = write_source(architecture, IMAGE)
    same(architecture, IMAGE)
    assert "kernel_size=3" not in source.text and "kernel_size=5" in source.text
    assert not any(old.startswith("nodes.1.") for old in source.names.values())


def test_long_sums_and_merges_are_cut() -> None:
    names = range(1, 16)
    convolutions = [Layer.of("conv", (0,), channels=3, kernel=1) for _ in names]
    merged = [Layer.of("add", names), Layer.of("concat", names), Layer.of("concat", (16, 17))]
    assert complaints(same(Architecture((*convolutions, *merged)), IMAGE)) == ""


def test_equal_blocks_are_one_class_with_what_differs_as_parameters() -> None:
    layers = [
        Layer.of("mb-conv", channels=c, kernel=k, expansion=2) for c, k in ((4, 3), (8, 5), (16, 3))
    ]
    text = same(Architecture(tuple(layers)), IMAGE)
    assert text.count("class MBConv") == 1
    assert "self.mb_conv2 = MBConv(4, 8, 8, kernel_size=5)" in text
    assert "padding=kernel_size // 2" in text


@pytest.mark.parametrize("name", ["digits", "wine", "breast-cancer"])
def test_preprocessing_is_the_tasks_bit_for_bit(name: str) -> None:
    task: Any = TASKS.get(name)()
    width = {"image": "global-average-pool", "vector": "activation"}[task.spec.modality]
    architecture = Architecture((Layer.of(width),))
    text = write_source(architecture, task.spec, task.preprocessing).text
    x, _ = task.tensors("validation")
    raw = torch.from_numpy(np.random.default_rng(0).uniform(0, 16, x.shape).astype(np.float32))
    expected = (raw.numpy() - task.mean) / task.sd
    assert np.array_equal(run(text)["preprocess"](raw).numpy(), expected)
    assert complaints(text) == ""


def test_other_steps_and_names_of_classes() -> None:
    steps = [{"step": "scale", "factor": 1 / 255}, {"step": "resize", "size": [6, 6]}]
    architecture = Architecture((Layer.of("conv", channels=3, kernel=3),))
    text = write_source(architecture, IMAGE, steps, ["cat", 'a "dog"', "eel", "owl"]).text
    names = run(text)
    pixels = torch.full((2, 3, 12, 12), 255, dtype=torch.uint8)
    torch.testing.assert_close(names["preprocess"](pixels), torch.ones(2, 3, 6, 6))
    assert names["CLASSES"] == ("cat", 'a "dog"', "eel", "owl")
    assert complaints(text) == ""


def test_rows_of_a_table_become_numbers() -> None:
    long = [f"category number {number}" for number in range(12)]
    text = {"kind": "categorical", "fill": "(missing)"}
    columns = [
        {"name": "age", "kind": "numeric", "fill": 37.5, "mean": 1.0, "sd": 2.0},
        {"name": "colour", **text, "categories": ["blue", 'dark "red"'], "rare": True},
        {"name": "kind", **text, "categories": [*long, "(missing)"], "rare": False},
    ]
    steps = [{"step": "columns", "columns": columns}]
    spec = TaskSpec("table", 1, "vector", (17,), 4)
    text = write_source(Architecture((Layer.of("linear", units=3),)), spec, steps).text
    names = run(text)
    rows = [
        {"age": 2, "colour": 'dark "red"', "kind": long[-1]},
        {"age": float("nan"), "colour": None, "kind": None, "another": 1},
    ]
    first = [0.5, 0.0, 1.0, 0.0, *[0.0] * 11, 1.0, 0.0]
    second = [18.25, 0.0, 0.0, 1.0, *[0.0] * 12, 1.0]
    assert names["encode"](rows).tolist() == [first, second]
    assert np.array_equal(
        names["encode"](rows), apply(steps, {x: [row[x] for row in rows] for x in rows[0]})
    )
    with pytest.raises(ValueError, match="row 1 lacks the column 'colour'"):
        names["encode"]([{"age": 2, "kind": long[0]}])
    assert names["EXAMPLE"] == {"age": 37.5, "colour": "blue", "kind": long[0]}
    assert "    samples = encode([EXAMPLE])  # put your samples here" in text
    assert complaints(text) == ""


def test_wrong_steps_are_refused() -> None:
    architecture = Architecture((Layer.of("conv", channels=3, kernel=3),))
    with pytest.raises(UnknownNameError, match=r"Unknown preprocessing step 'scael'.*'scale'"):
        write_source(architecture, IMAGE, [{"step": "scael"}])
    with pytest.raises(InvalidSettingError, match="'standardise' has no 'dims'"):
        write_source(architecture, IMAGE, [{"step": "standardise", "mean": [0], "sd": [1]}])
