"""Every walk of every space builds a network that runs and costs what was predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas_env.architecture import Architecture
from nas_env.network import NetworkCost, build, predict
from nas_env.spaces import SPACES, SearchSpace
from nas_env.tasks import TaskSpec

Make = Callable[..., SearchSpace]
Spec = Callable[[SearchSpace], TaskSpec]
BATCH = 2
BYTES = {nn.MaxPool2d: 12, nn.Dropout: 8}  # per element put out: positions, noise
SMALL = [name for name in SPACES if not name.startswith("metaqnn")]
LARGE = [name for name in SPACES if name.startswith("metaqnn")]
DEEP = [name for name in SMALL if SPACES.get(name).default_shape == (3, 32, 32)]


COUNTS = [  # networks of a space
    pytest.param(10, marks=pytest.mark.always),
    pytest.param(100, marks=pytest.mark.expensive),
]


def sized(name: str) -> tuple[int, ...] | None:
    """Return the input shape to test a space with: deep networks get small images."""
    return (3, 8, 8) if name in DEEP else None


def sampled(space: SearchSpace, by: Any, count: int = 100) -> list[Architecture]:
    rng = np.random.default_rng(0)
    return [space.decode(space.sample(rng, by)).architecture for _ in range(count)]


class Meter:
    """Measures what modules compute and put out while a network runs."""

    def __init__(self, network: nn.Module, x: Tensor) -> None:
        self.macs = 0
        # mean and deviation of each normalised channel, which are no activations
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        self.norm_bytes = sum(8 * m.num_features for m in norms)
        self.bytes = 4 * x[0].numel()
        self.saved: dict[int, int] = {}
        weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
        hooks = [m.register_forward_hook(self._count) for m in network.modules() if is_leaf(m)]

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                self.saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            self.logits = network(x)
        for hook in hooks:
            hook.remove()

    def _count(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        elements = output[0].numel()
        self.bytes += BYTES.get(type(module), 4) * elements
        if isinstance(module, nn.Conv2d):
            fan_in = module.in_channels // module.groups * int(np.prod(module.kernel_size))
            self.macs += elements * fan_in
        elif isinstance(module, nn.Linear):
            self.macs += elements * module.in_features


def is_leaf(module: nn.Module) -> bool:
    return not isinstance(module, nn.Sequential | nn.ModuleList) and not list(module.children())


def may_be_unread(architecture: Architecture) -> bool:
    """Return whether some layers may be read by none: cells that pass over the cell before."""
    return any(layer.kind == "nasnet-cell" for layer in architecture.layers)


def run(architecture: Architecture, spec: TaskSpec, backward: bool = True) -> Meter:
    """Build, run forward and backward, compare with the prediction."""
    torch.manual_seed(0)
    network = build(architecture, spec)
    cost = predict(architecture, spec)
    meter = Meter(network, torch.randn(BATCH, *spec.input_shape))
    assert meter.logits.shape == (BATCH, spec.num_outputs)
    params = sum(p.numel() for p in network.parameters())
    assert NetworkCost(params, meter.macs, meter.bytes, cost.density) == cost
    if backward:
        meter.logits.square().mean().backward()
        learns = [p.grad is not None for p in network.parameters()]
        assert all(learns) or (may_be_unread(architecture) and sum(learns) > 0)
    return meter


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("by", ["walks", "decisions"])
@pytest.mark.parametrize("name", SMALL)
def test_networks_run_and_cost_what_was_predicted(
    make_space: Make, spec_for: Spec, name: str, by: str, count: int
) -> None:
    space = make_space(name, sized(name))
    spec = spec_for(space)
    for architecture in sampled(space, by, count):
        run(architecture, spec)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", SMALL)
def test_what_autograd_saves_is_at_most_what_was_predicted(
    make_space: Make, spec_for: Spec, name: str, count: int
) -> None:
    space = make_space(name, sized(name))
    spec = spec_for(space)
    shares = []
    for architecture in sampled(space, "decisions", count):
        meter = run(architecture, spec, backward=False)
        saved = sum(meter.saved.values()) - meter.norm_bytes
        shares.append(saved / (BATCH * predict(architecture, spec).activation_bytes))
    assert max(shares) <= 1
    assert max(shares) > 0.5, "the prediction is far from what is kept"


@pytest.mark.parametrize("name", ["chain", *DEEP])
@pytest.mark.parametrize("shape", [(3, 7, 7), (1, 8, 5), (2, 13, 9)])
def test_odd_and_oblong_maps(
    make_space: Make, spec_for: Spec, name: str, shape: tuple[int, ...]
) -> None:
    space = make_space(name, shape)
    for architecture in sampled(space, "decisions", 3 if name in DEEP else 30):
        run(architecture, spec_for(space))


@pytest.mark.parametrize("name", DEEP)
def test_deep_networks_run_at_their_own_size(make_space: Make, spec_for: Spec, name: str) -> None:
    space = make_space(name)
    for architecture in sampled(space, "decisions", 2):
        run(architecture, spec_for(space))


@pytest.mark.parametrize("name", LARGE)
def test_presets_are_predicted(make_space: Make, spec_for: Spec, name: str) -> None:
    space = make_space(name)
    spec = spec_for(space)
    costs = [predict(x, spec) for by in ("walks", "decisions") for x in sampled(space, by)]
    assert len(costs) == 200
    assert min(min(cost.params, cost.macs, cost.activation_bytes) for cost in costs) > 0


@pytest.mark.parametrize("name", LARGE)
def test_presets_build_at_eight_by_eight(make_space: Make, spec_for: Spec, name: str) -> None:
    with torch.device("meta"):  # shapes and parameters without the memory
        space = make_space(name, (1, 8, 8))
        for architecture in sampled(space, "decisions", 5):
            network = build(architecture, spec_for(space))
            params = sum(p.numel() for p in network.parameters())
            assert params == predict(architecture, spec_for(space)).params
            assert network(torch.zeros(BATCH, 1, 8, 8)).shape == (BATCH, 10)


@pytest.mark.expensive
@pytest.mark.parametrize("name", LARGE)
def test_presets_run(make_space: Make, spec_for: Spec, name: str) -> None:
    for shape in ((1, 8, 8), SPACES.get(name).default_shape):
        space = make_space(name, shape)
        for architecture in sampled(space, "decisions", 5):
            run(architecture, spec_for(space))
