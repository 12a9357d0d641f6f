"""Hand-made reference networks: strong defaults that a search should not fall behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.errors import IncompatibleError, InvalidArchitectureError
from nas_env.network import predict
from nas_env.tasks.base import TaskSpec

WIDTHS = (16, 8, 4, 2)  # channels of the first convolution; the first that satisfies the limit
SMALLEST_POOLED = 4  # maps of smaller sides are not pooled
SMALLEST_BEFORE_3X3 = 6  # maps of smaller sides are not pooled before a 3x3 convolution
LARGE_SIDE = 64  # the first convolution halves images of larger sides


def portfolio(
    spec: TaskSpec, recipe: Recipe | None = None, max_params: int | None = None
) -> dict[str, Candidate]:
    """Return hand-made networks for a task, by name.

    - Images: "plain-cnn" (three convolutions with doubling channels, global average pooling),
      "residual-cnn" (three residual blocks) and "lenet" (two convolutions, one fully connected
      layer; after LeCun et al., 1998).
    - Vectors: "linear" (no hidden layer) and "mlp" (two hidden layers, 128 and 64 units).

    The networks were drawn once and never tuned on a data set. With a parameter limit they become
    narrower; a network whose narrowest version exceeds the limit is left out.

    Args:
        spec: The task.
        recipe: How the networks are trained; None: the default recipe.
        max_params: Maximum parameters of a network; None: no limit.

    Raises:
        IncompatibleError: There are no reference networks for the modality of the task.

    Example:
        >>> from nas_env.tasks import TASKS
        >>> list(portfolio(TASKS.get("digits")().spec))
        ['plain-cnn', 'residual-cnn', 'lenet']
    """
    if spec.modality not in NETWORKS:
        raise IncompatibleError(
            f"Modality {spec.modality!r} of task {spec.name!r} has no reference networks. "
            f"Available: {', '.join(NETWORKS)}."
        )
    networks: dict[str, Candidate] = {}
    for name, draw in NETWORKS[spec.modality].items():
        architecture = _widest(draw, spec, max_params)
        if architecture is not None:
            networks[name] = Candidate(architecture, recipe or Recipe())
    return networks


Draw = Callable[[TaskSpec, int], list[Layer]]


def _widest(draw: Draw, spec: TaskSpec, max_params: int | None) -> Architecture | None:
    """Return the widest version of a network within the limit, or None."""
    for width in WIDTHS:
        architecture = Architecture(tuple(draw(spec, width)))
        try:
            params = predict(architecture, spec).params
        except InvalidArchitectureError:  # the maps are too small for its layers
            return None
        if max_params is None or params <= max_params:
            return architecture
    return None


def _plain_cnn(spec: TaskSpec, width: int) -> list[Layer]:
    layers, side = [], min(spec.input_shape[1:])
    for channels in (width, 2 * width, 4 * width):
        layers.append(_convolution(channels))
        if side >= SMALLEST_BEFORE_3X3 and channels < 4 * width:
            layers.append(_pool())
            side //= 2
    return [*layers, Layer.of("global-average-pool")]


def _residual_cnn(spec: TaskSpec, width: int) -> list[Layer]:
    side = min(spec.input_shape[1:])
    stride = 2 if side > LARGE_SIDE else 1
    layers = [
        Layer.of("conv", channels=width, kernel=3, stride=stride, activation="none"),
        Layer.of("residual-block", channels=width),
    ]
    side //= stride
    for channels in (2 * width, 4 * width):
        halves = side >= SMALLEST_POOLED and side % 2 == 0
        layers.append(Layer.of("residual-block", channels=channels, stride=2 if halves else 1))
        side //= 2 if halves else 1
    return [*layers, Layer.of("activation", activation="relu"), Layer.of("global-average-pool")]


def _lenet(spec: TaskSpec, width: int) -> list[Layer]:
    layers, side = [], min(spec.input_shape[1:])
    for channels in (width, 2 * width):
        layers.append(_convolution(channels))
        if side >= SMALLEST_POOLED:
            layers.append(_pool())
            side //= 2
    return [*layers, Layer.of("linear", units=2 * width, activation="relu")]


def _convolution(channels: int) -> Layer:
    """Return a 3x3 convolution with normalisation and ReLU, as the space `chain` writes it."""
    return Layer.of(
        "conv", channels=channels, kernel=3, stride=1, batch_norm=True, activation="relu"
    )


def _pool() -> Layer:
    return Layer.of("max-pool", kernel=2, stride=2)


def _linear(spec: TaskSpec, width: int) -> list[Layer]:
    return []


def _mlp(spec: TaskSpec, width: int) -> list[Layer]:
    return [Layer.of("linear", units=n * width, activation="relu") for n in (8, 4)]


NETWORKS: Mapping[str, Mapping[str, Draw]] = {
    "image": {"plain-cnn": _plain_cnn, "residual-cnn": _residual_cnn, "lenet": _lenet},
    "vector": {"linear": _linear, "mlp": _mlp},
}
