"""Predicts the costs of an architecture (without torch) and builds its torch module."""

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
    """The costs of a network, predicted before it is built; includes the classifier head.

    Attributes:
        params: Trainable parameters.
        macs: Multiply-accumulates of convolutions and linear layers per sample.
        activation_bytes: Bytes per sample of the input and all module outputs in a training pass
            (float32, including the indices of max pooling and the masks of dropout). This is an
            upper bound of the memory that a forward pass keeps for the backward pass.
        density: Number of inputs of all layers divided by the number of layers: 1 for a chain.
    """

    params: int
    macs: int
    activation_bytes: int
    density: float = 1.0

    def training_bytes(self, batch_size: int) -> int:
        """Return the predicted peak of training memory for a batch, in bytes."""
        return FLOAT_BYTES * COPIES_OF_WEIGHTS * self.params + batch_size * self.activation_bytes

    def to_json(self) -> dict[str, int | float]:
        """Return the costs as a dict."""
        return asdict(self)


class LayerCost(NamedTuple):
    """Output shape without batch, parameters, MACs and bytes per sample of one layer."""

    output: Shape
    params: int
    macs: int
    activation_bytes: int


class PlacedLayer(NamedTuple):
    """A layer with its input nodes, their shapes without batch, and its costs."""

    layer: Layer
    reads: tuple[int, ...]
    inputs: tuple[Shape, ...]
    cost: LayerCost


@lru_cache(maxsize=100_000)
def layer_cost(layer: Layer, inputs: tuple[Shape, ...]) -> LayerCost:
    """Return the costs of a layer for these input shapes; cached, because searches repeat layers.

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
    """Return the final linear layer that a task adds."""
    return Layer.of("linear", units=num_outputs, activation="none")


def place(architecture: Architecture, spec: TaskSpec) -> Iterator[PlacedLayer]:
    """Yield every layer with its shapes and costs; the classifier of the task is the last.

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
    """Return the torch module of an architecture, including the classifier of the task.

    The input has shape (batch, *spec.input_shape), the output (logits) (batch, spec.num_outputs).

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
