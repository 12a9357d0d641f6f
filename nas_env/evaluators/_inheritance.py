"""Trained weights that pass from a network to its edited child."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from torch import Tensor, nn

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget
from nas_env.graph_module import GraphModule

KEPT = 32
Weights = list[dict[str, Tensor]]  # of each layer, the classifier last


class Kept:
    """The weights of the latest networks; only of the very latest until somebody inherits."""

    def __init__(self) -> None:
        self.most = 1
        self._weights: OrderedDict[tuple[str, Budget], Weights] = OrderedDict()

    def put(self, candidate: Candidate, budget: Budget, network: nn.Module) -> None:
        """Keep the weights of a trained network."""
        self._weights[candidate.trained_key, budget] = weights_of(network)
        while len(self._weights) > self.most:
            self._weights.popitem(last=False)

    def get(self, candidate: Candidate, budget: Budget) -> Weights | None:
        """Return the weights of a network, or None where they are gone."""
        self.most = KEPT
        return self._weights.get((candidate.trained_key, budget))


def weights_of(network: nn.Module) -> Weights:
    """Return a copy of the weights of each layer of a built network."""
    return [
        {name: value.detach().clone() for name, value in module.state_dict().items()}
        for module in layer_modules(network)
    ]


def layer_modules(network: nn.Module) -> list[nn.Module]:
    """Return the module of each layer of a network that `nas_env.network.build` made."""
    return list(network.nodes if isinstance(network, GraphModule) else network.children())


def inherit(network: nn.Module, child: Architecture, parent: Architecture, old: Weights) -> int:
    """Copy the parent's weights into the child's network, where name and shape agree.

    Layers correspond from the front as long as they are equal, from the back as long as they are
    equal, and in order between, where their kinds are equal.

    Returns:
        How many tensors were copied.
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
    """Yield the numbers of corresponding layers (child's, parent's); the classifiers at the end."""
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
