"""From an architecture to its costs (no torch) and to a torch module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nas_env.architecture import Architecture, Layer, Shape
from nas_env.errors import InvalidArchitectureError
from nas_env.layers import layer_type, size
from nas_env.tasks.base import TaskSpec

if TYPE_CHECKING:
    from torch import nn

FLOAT_BYTES = 4
# Weights, their gradients and the two moments of Adam.
COPIES_OF_WEIGHTS = 4


@dataclass(frozen=True)
class NetworkCost:
    """What a network costs, predicted before it is built; head included.

    Attributes:
        params: Trainable parameters.
        macs: Multiply-accumulates of convolutions and linear maps for one sample.
        activation_bytes: Bytes of all tensors the modules put out for one sample in a training
            pass (float32, with the positions of max pooling and the noise of dropout), input
            included: the most that a forward pass keeps for the backward pass.
        density: Nodes that are read over layers that read them: 1 for a chain.
    """

    params: int
    macs: int
    activation_bytes: int
    density: float = 1.0

    def training_bytes(self, batch_size: int) -> int:
        """Return the predicted peak of training memory, in bytes, for a batch."""
        return FLOAT_BYTES * COPIES_OF_WEIGHTS * self.params + batch_size * self.activation_bytes

    def to_json(self) -> dict[str, int | float]:
        """Return the numbers by name."""
        return asdict(self)


class LayerCost(NamedTuple):
    """What one layer puts out and costs: shape without batch, parameters, MACs, bytes a sample."""

    output: Shape
    params: int
    macs: int
    activation_bytes: int


class PlacedLayer(NamedTuple):
    """A layer with the nodes it reads, their shapes without batch, and what it costs."""

    layer: Layer
    reads: tuple[int, ...]
    inputs: tuple[Shape, ...]
    cost: LayerCost


@lru_cache(maxsize=100_000)
def layer_cost(layer: Layer, inputs: tuple[Shape, ...]) -> LayerCost:
    """Return what a layer costs where it reads `inputs`; remembered, for searches repeat layers.

    Raises:
        InvalidArchitectureError: The layer does not accept these inputs.
    """
    rules = layer_type(layer)
    return LayerCost(
        rules.output_shape(layer, inputs),
        rules.params(layer, inputs),
        rules.macs(layer, inputs),
        rules.activation_bytes(layer, inputs),
    )


@lru_cache(maxsize=1000)
def classifier(num_outputs: int) -> Layer:
    """Return the linear layer that a task puts at the end."""
    return Layer.of("linear", units=num_outputs, activation="none")


def place(architecture: Architecture, spec: TaskSpec) -> Iterator[PlacedLayer]:
    """Yield every layer, the task's classifier last, with its shapes and costs.

    Raises:
        InvalidArchitectureError: A layer does not accept its input; the message names the layer.
    """
    shapes: list[Shape] = [spec.input_shape]
    for index, layer in enumerate((*architecture.layers, classifier(spec.num_outputs))):
        reads = layer.inputs or (index,)
        inputs = tuple([shapes[node] for node in reads])
        try:
            cost = layer_cost(layer, inputs)
        except InvalidArchitectureError as error:
            raise InvalidArchitectureError(f"Layer {index + 1}: {error}") from None
        shapes.append(cost.output)
        yield PlacedLayer(layer, reads, inputs, cost)


def predict(architecture: Architecture, spec: TaskSpec) -> NetworkCost:
    """Return parameters, operations and memory of a network without building it.

    Raises:
        InvalidArchitectureError: A layer does not accept its input.
    """
    params = macs = edges = 0
    memory = FLOAT_BYTES * size(spec.input_shape)
    for _, reads, _, cost in place(architecture, spec):
        edges += len(reads)
        params += cost.params
        macs += cost.macs
        memory += cost.activation_bytes
    return NetworkCost(params, macs, memory, edges / (len(architecture.layers) + 1))


def build(architecture: Architecture, spec: TaskSpec) -> nn.Module:
    """Return the torch module of an architecture, with the task's classifier.

    Its input is (batch, *spec.input_shape), its output (batch, spec.num_outputs) logits.

    Raises:
        InvalidArchitectureError: A layer does not accept its input.
    """
    from torch import nn

    from nas_env.graph_module import GraphModule

    placed = list(place(architecture, spec))
    modules = [layer_type(x.layer).build(x.layer, x.inputs) for x in placed]
    if all(x.reads == (index,) for index, x in enumerate(placed)):
        return nn.Sequential(*modules)
    return GraphModule(modules, [x.reads for x in placed])
