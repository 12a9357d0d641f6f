"""Inheritance of trained weights by the edited child of a network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from torch import Tensor, nn

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget
from nas_env.graph_module import GraphModule

KEPT = 32
Weights = list[dict[str, Tensor]]  # one entry per layer, the classifier last


class Kept:
    """The weights of the latest networks; of one network only until weights are requested."""

    def __init__(self) -> None:
        self.most = 1
        self._weights: OrderedDict[tuple[str, Budget], Weights] = OrderedDict()

    def put(self, candidate: Candidate, budget: Budget, network: nn.Module) -> None:
        """Keep the weights of a trained network."""
        self._weights[candidate.trained_key, budget] = weights_of(network)
        while len(self._weights) > self.most:
            self._weights.popitem(last=False)

    def get(self, candidate: Candidate, budget: Budget) -> Weights | None:
        """Return the weights of a network, or None if they are not kept."""
        self.most = KEPT
        return self._weights.get((candidate.trained_key, budget))


def weights_of(network: nn.Module) -> Weights:
    """Return a copy of the weights of each layer of a built network."""
    return [
        {name: value.detach().clone() for name, value in module.state_dict().items()}
        for module in layer_modules(network)
    ]


def layer_modules(network: nn.Module) -> list[nn.Module]:
    """Return the module of each layer of a network built by `nas_env.network.build`."""
    return list(network.nodes if isinstance(network, GraphModule) else network.children())


def inherit(network: nn.Module, child: Architecture, parent: Architecture, old: Weights) -> int:
    """Copy the parent's weights into the child's network if name and shape agree.

    Layers are matched from the front and from the back as long as they are equal. The layers in
    between are matched in order if their kinds are equal.

    Returns:
        Number of copied tensors.
    """
    modules, copied = layer_modules(network), 0
    for new_index, old_index in corresponding(child.layers, parent.layers):
        own = modules[new_index].state_dict()
        for name, value in old[old_index].items():
            if name in own and own[name].shape == value.shape:
                own[name].copy_(value)
                copied += 1
    return copied


def corresponding(child: tuple[Layer, ...], parent: tuple[Layer, ...]) -> Iterator[tuple[int, int]]:
    """Yield the indices of matching layers (child, parent), the classifiers last."""
    shortest = min(len(child), len(parent))
    front = 0
    while front < shortest and child[front] == parent[front]:
        front += 1
    back = 0
    while back < shortest - front and child[-1 - back] == parent[-1 - back]:
        back += 1
    yield from ((index, index) for index in range(front))
    for new in range(front, len(child) - back):
        old = new
        if old < len(parent) - back and child[new].kind == parent[old].kind:
            yield new, old
    ends = len(child), len(parent)
    yield from ((ends[0] - back + i, ends[1] - back + i) for i in range(back + 1))
