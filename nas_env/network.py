"""From an architecture to its costs (no torch) and to a torch module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

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
            pass (float32, with the positions of max pooling), input included: the most that a
            forward pass keeps for the backward pass.
    """

    params: int
    macs: int
    activation_bytes: int

    def training_bytes(self, batch_size: int) -> int:
        """Return the predicted peak of training memory, in bytes, for a batch."""
        return FLOAT_BYTES * COPIES_OF_WEIGHTS * self.params + batch_size * self.activation_bytes

    def to_json(self) -> dict[str, int]:
        """Return the numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class PlacedLayer:
    """A layer with the shapes it reads and the shape it puts out, all without batch."""

    layer: Layer
    reads: tuple[int, ...]
    inputs: tuple[Shape, ...]
    output: Shape


def with_head(architecture: Architecture, spec: TaskSpec) -> Architecture:
    """Return the architecture with the linear classifier of a task at the end."""
    head = Layer.of("linear", units=spec.num_outputs, activation="none")
    return Architecture((*architecture.layers, head))


def place(architecture: Architecture, spec: TaskSpec) -> Iterator[PlacedLayer]:
    """Yield every layer, the task's classifier last, with its shapes.

    Raises:
        InvalidArchitectureError: A layer does not accept its input; the message names the layer.
    """
    shapes: list[Shape] = [spec.input_shape]
    complete = with_head(architecture, spec)
    for index, layer in enumerate(complete.layers):
        reads = complete.inputs_of(index)
        inputs = tuple(shapes[node] for node in reads)
        try:
            output = layer_type(layer).output_shape(layer, inputs)
        except InvalidArchitectureError as error:
            raise InvalidArchitectureError(f"Layer {index + 1}: {error}") from None
        shapes.append(output)
        yield PlacedLayer(layer, reads, inputs, output)


def predict(architecture: Architecture, spec: TaskSpec) -> NetworkCost:
    """Return parameters, operations and memory of a network without building it.

    Raises:
        InvalidArchitectureError: A layer does not accept its input.
    """
    params = macs = 0
    memory = FLOAT_BYTES * size(spec.input_shape)
    for placed in place(architecture, spec):
        rules = layer_type(placed.layer)
        params += rules.params(placed.layer, placed.inputs)
        macs += rules.macs(placed.layer, placed.inputs)
        memory += rules.activation_bytes(placed.layer, placed.inputs)
    return NetworkCost(params, macs, memory)


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
