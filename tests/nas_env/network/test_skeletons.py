"""Cells found on a small task are stacked again for a larger one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nas_env.architecture import Architecture, Layer
from nas_env.errors import IncompatibleError, InvalidArchitectureError, InvalidSettingError
from nas_env.network import build, predict
from nas_env.skeletons import SKELETONS, scaled, skeleton_of
from nas_env.skeletons.nasnet import NASNetSkeleton
from nas_env.spaces import SPACES
from nas_env.spaces.block_qnn import BlockQNNSpace
from nas_env.spaces.enas_cell import ENAS, ENASCellSpace
from nas_env.spaces.nasnet_cell import NASNET, NASNetSpace
from nas_env.tasks.base import TaskSpec

OF_CELLS = ("block-qnn", "enas-cell", "nasbench201", "nasnet-cell")
SMALL, LARGE = (1, 14, 14), (3, 28, 28)


def networks(name: str, count: int = 10) -> list[Architecture]:
    space = SPACES.get(name)(input_shape=SMALL, num_outputs=10)
    rng = np.random.default_rng(0)
    return [space.decode(space.sample(rng)).architecture for _ in range(count)]


def spec(shape: tuple[int, ...]) -> TaskSpec:
    return TaskSpec("some", "1", "image", shape, 10)


def larger(name: str, repeats: int, channels: int):
    """Return the space whose networks are stacked that large by itself."""
    if name == "block-qnn":
        return BlockQNNSpace(8, repeats, channels, name, LARGE, 10)
    grammar, space = {
        "enas-cell": (ENAS, ENASCellSpace),
        "nasnet-cell": (NASNET, NASNetSpace),
    }[name]
    return space(replace(grammar, repeats=repeats, channels=channels), name, LARGE, 10)


@pytest.mark.parametrize("name", OF_CELLS)
def test_what_a_space_stacks_is_recognised(name):
    for architecture in networks(name):
        found = skeleton_of(architecture)
        assert found.stack() == architecture == scaled(architecture)
        assert not found.large
    repeats, channels = {"nasbench201": (5, 16), "block-qnn": (1, 8)}.get(name, (2, 4))
    assert (found.repeats, found.channels) == (repeats, channels)


@pytest.mark.parametrize("name", [x for x in OF_CELLS if x != "nasbench201"])
def test_scaled_networks_are_those_of_a_space_with_the_larger_skeleton(name):
    space, large = SPACES.get(name)(input_shape=SMALL, num_outputs=10), larger(name, 3, 6)
    rng = np.random.default_rng(1)
    for walk in (space.sample(rng) for _ in range(10)):
        found = space.decode(walk).architecture
        stacked = scaled(found, 3, 6, LARGE)
        assert stacked == large.decode(walk).architecture
        assert scaled(stacked, space_repeats(name), space_channels(name)) == found


def space_repeats(name: str) -> int:
    return 1 if name == "block-qnn" else 2


def space_channels(name: str) -> int:
    return 8 if name == "block-qnn" else 4


def test_cells_of_nasbench201_keep_their_operations():
    for architecture in networks("nasbench201"):
        stacked = scaled(architecture, repeats=2, channels=8)
        cells = [layer for layer in stacked.layers if layer.kind == "nasbench201-cell"]
        assert {x["cell"] for x in cells} == {architecture.layers[1]["cell"]}
        assert [(x["channels"], x["repeats"]) for x in cells] == [(8, 2), (16, 2), (32, 2)]


@pytest.mark.parametrize("name", OF_CELLS)
@pytest.mark.parametrize("shape", [LARGE, (3, 128, 144)])
def test_scaled_networks_can_be_built_and_run(name, shape):
    task = spec(shape)
    for architecture in networks(name, 2):
        stacked = scaled(architecture, repeats=1, channels=4, input_shape=shape)
        module = build(stacked, task).eval()
        assert sum(p.numel() for p in module.parameters()) == predict(stacked, task).params
        with torch.no_grad():
            assert module(torch.zeros(2, *shape)).shape == (2, 10)
        assert skeleton_of(stacked).large == (shape[1] >= 128)


@pytest.mark.parametrize("name", OF_CELLS)
def test_large_images_are_made_smaller_first(name):
    architecture, shape = networks(name, 1)[0], (3, 224, 224)
    begun = scaled(architecture, input_shape=shape)
    assert predict(begun, spec(shape)).macs < predict(architecture, spec(shape)).macs / 10
    assert scaled(begun, input_shape=SMALL) == architecture


def test_nasnet_on_large_images_begins_with_two_reduction_cells():
    layers = NASNetSkeleton(("n", "r"), 1, 8, large=True).stack().layers
    cells = [(x["cell"], x["channels"], x.inputs or "chain") for x in layers[1:-2]]
    assert layers[0]["stride"] == 2 and layers[0]["channels"] == 2
    assert cells[:3] == [("r", 2, (1, 1)), ("r", 4, (1, 2)), ("n", 8, (2, 3))]
    assert [x for x, _, _ in cells] == ["r", "r", "n", "r", "n", "r", "n"]


def test_every_registered_skeleton_is_tested():
    kinds = {layer.kind for name in OF_CELLS for layer in networks(name, 1)[0].layers}
    assert set(SKELETONS) <= kinds


def test_what_cannot_be_stacked_is_refused():
    chain = Architecture((Layer.of("conv", channels=4, kernel=3), Layer.of("flatten")))
    with pytest.raises(InvalidArchitectureError, match=r"without layers of kind .*nasnet-cell"):
        scaled(chain, repeats=2)
    cells = networks("nasnet-cell", 1)[0]
    with pytest.raises(InvalidArchitectureError, match="must be stacked as its search space"):
        scaled(Architecture(cells.layers[:-1]), repeats=2)
    for settings in ({"repeats": 0}, {"channels": 2.5}, {"channels": True}):
        with pytest.raises(InvalidSettingError, match="must be an integer >= 1"):
            scaled(cells, **settings)
    for shape in ((10,), (3, 0, 4), (3, 28)):
        with pytest.raises(IncompatibleError, match="channels, height, width"):
            scaled(cells, input_shape=shape)
