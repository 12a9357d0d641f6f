"""The base class of skeletons, and the function that scales an architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

from nas_env.architecture import Architecture, Layer, Shape, is_count
from nas_env.errors import IncompatibleError, InvalidArchitectureError, InvalidSettingError
from nas_env.layers.base import LayerType, layer_type
from nas_env.registry import Registry

# The minimum side of images, in pixels, that are reduced before the first cell.
LARGE = 128


@dataclass(frozen=True)
class Skeleton(ABC):
    """Cells and the network around them.

    Attributes:
        cells: Texts of the cells, as in the settings of their layer.
        repeats: Number of cells in each stage.
        channels: Channels of the first stage; each later stage has twice as many.
        large: Whether the network starts with layers that reduce large images.
    """

    cells: tuple[str, ...]
    repeats: int
    channels: int
    large: bool = False

    @abstractmethod
    def stack(self) -> Architecture:
        """Return the whole network."""

    @classmethod
    @abstractmethod
    def of(cls, architecture: Architecture) -> Self:
        """Return the skeleton from which `stack` created an architecture.

        The result may be wrong for other architectures; `skeleton_of` stacks it again and compares.
        """


SKELETONS: Registry[type[Skeleton]] = Registry("cell", package="nas_env.skeletons")


def skeleton_of(architecture: Architecture) -> Skeleton:
    """Return the skeleton of an architecture.

    Raises:
        InvalidArchitectureError: The architecture has no cells, or is not stacked as in its space.
    """
    kinds = [layer.kind for layer in architecture.layers if layer.kind in SKELETONS]
    if not kinds:
        raise InvalidArchitectureError(
            "Only a network of cells can be scaled, got a network without layers of kind "
            f"{', '.join(sorted(SKELETONS))}. Use a network from a space of cells."
        )
    skeleton = SKELETONS.get(kinds[0]).of(architecture)
    if skeleton.stack() != architecture:
        raise InvalidArchitectureError(
            f"A network with {kinds[0]!r} layers must be stacked as its search space stacks them. "
            "Use an architecture decoded by a space of cells."
        )
    return skeleton


def scaled(
    architecture: Architecture,
    repeats: int | None = None,
    channels: int | None = None,
    input_shape: Shape | None = None,
) -> Architecture:
    """Return a network with the same cells in a skeleton of another size.

    Cells found on a small task can be stacked again for a larger one. Supported are the cells of
    NASNet, ENAS, BlockQNN and NAS-Bench-201. An argument that is None keeps its current value.

    Args:
        architecture: A network of cells.
        repeats: Number of cells in each stage.
        channels: Channels of the first stage.
        input_shape: Shape (channels, height, width) of the images. For images of at least 128x128
            pixels, the network starts with layers that reduce their size.

    Raises:
        InvalidArchitectureError: The network is not stacked from cells as in a search space, or
            does not accept images of this shape.
        InvalidSettingError: `repeats` or `channels` is not an integer >= 1.
        IncompatibleError: `input_shape` is not the shape of images.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("nasbench201")(input_shape=(3, 32, 32), num_outputs=10)
        >>> architecture = space.decode((3, 0, 3, 1, 0, 1)).architecture
        >>> scaled(architecture, repeats=2, channels=8).layers[1].settings[1:]
        (('channels', 8), ('repeats', 2))
    """
    changes: dict[str, Any] = {}
    for name, value in (("repeats", repeats), ("channels", channels)):
        if value is not None:
            if not is_count(value):
                raise InvalidSettingError(f"{name} must be an integer >= 1, got {value!r}.")
            changes[name] = value
    if input_shape is not None:
        changes["large"] = is_large(input_shape)
    stacked = replace(skeleton_of(architecture), **changes).stack()
    if input_shape is not None:
        check(stacked, input_shape)
    return stacked


def is_large(input_shape: Shape) -> bool:
    """Whether the network reduces images before the first cell: both sides have >= 128 pixels.

    Raises:
        IncompatibleError: The shape is not (channels, height, width).
    """
    if len(input_shape) != 3 or not all(map(is_count, input_shape)):
        raise IncompatibleError(
            f"Cells need images of shape (channels, height, width), got {input_shape}."
        )
    return min(input_shape[1:]) >= LARGE


def check(architecture: Architecture, input_shape: Shape) -> None:
    """Raise InvalidArchitectureError if a layer does not accept its input."""
    shapes = [input_shape]
    for index, layer in enumerate(architecture.layers):
        rules: LayerType = layer_type(layer)
        read = [shapes[node] for node in architecture.inputs_of(index)]
        shapes.append(rules.output_shape(layer, read))


def stem(channels: int, stride: int = 1) -> Layer:
    """Return the stem of a network: a 3x3 convolution and normalisation."""
    step: dict[str, Any] = {"stride": stride} if stride != 1 else {}
    return Layer.of("conv", channels=channels, kernel=3, activation="none", **step)
