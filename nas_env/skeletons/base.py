"""What a skeleton must answer, and how an architecture is stacked anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

from nas_env.architecture import Architecture, Layer, Shape, is_count
from nas_env.errors import IncompatibleError, InvalidArchitectureError, InvalidSettingError
from nas_env.layers.base import LayerType, layer_type
from nas_env.registry import Registry

# Images with a side of at least so many pixels are made smaller before the first cell.
LARGE = 128


@dataclass(frozen=True)
class Skeleton(ABC):
    """Cells and the network around them.

    Attributes:
        cells: Texts of the cells, as their layer writes them.
        repeats: Cells of each stage.
        channels: Of the first stage; each later stage has twice as many.
        large: Whether the network begins for large images: by making them smaller.
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
        """Return what `stack` may have made an architecture from.

        It may guess: `skeleton_of` compares what it stacks with the architecture.
        """


SKELETONS: Registry[type[Skeleton]] = Registry("cell", package="nas_env.skeletons")


def skeleton_of(architecture: Architecture) -> Skeleton:
    """Return the cells of an architecture, and the network around them.

    Raises:
        InvalidArchitectureError: It is not made of cells, or not stacked as its space stacks them.
    """
    kinds = [layer.kind for layer in architecture.layers if layer.kind in SKELETONS]
    if not kinds:
        raise InvalidArchitectureError(
            "Only networks made of cells can be stacked anew, but this one has no layer of "
            f"{', '.join(sorted(SKELETONS))}. Search one of the spaces of cells for it."
        )
    found = SKELETONS.get(kinds[0]).of(architecture)
    if found.stack() != architecture:
        raise InvalidArchitectureError(
            f"This network has {kinds[0]!r} layers, but is not stacked as its search space stacks "
            "them, so that it is not known how a larger one would look. Give the architecture that "
            "a space of cells decodes a walk to."
        )
    return found


def scaled(
    architecture: Architecture,
    repeats: int | None = None,
    channels: int | None = None,
    input_shape: Shape | None = None,
) -> Architecture:
    """Return the network with the same cells and another skeleton, see `Architecture.scaled`."""
    changes: dict[str, Any] = {}
    for name, value in (("repeats", repeats), ("channels", channels)):
        if value is not None:
            if not is_count(value):
                raise InvalidSettingError(f"{name} must be an integer >= 1, but is {value!r}.")
            changes[name] = value
    if input_shape is not None:
        changes["large"] = is_large(input_shape)
    stacked = replace(skeleton_of(architecture), **changes).stack()
    if input_shape is not None:
        check(stacked, input_shape)
    return stacked


def is_large(input_shape: Shape) -> bool:
    """Return whether images are made smaller before the first cell: both sides have >= 128 pixels.

    Raises:
        IncompatibleError: It is not the shape (channels, height, width) of images.
    """
    if len(input_shape) != 3 or not all(map(is_count, input_shape)):
        raise IncompatibleError(
            f"Cells read images of shape (channels, height, width), but not {input_shape}."
        )
    return min(input_shape[1:]) >= LARGE


def check(architecture: Architecture, input_shape: Shape) -> None:
    """Raise InvalidArchitectureError where a layer does not accept what reaches it."""
    shapes = [input_shape]
    for index, layer in enumerate(architecture.layers):
        rules: LayerType = layer_type(layer)
        read = [shapes[node] for node in architecture.inputs_of(index)]
        shapes.append(rules.output_shape(layer, read))


def stem(channels: int, stride: int = 1) -> Layer:
    """Return a 3x3 convolution and normalisation, what cells and blocks begin after."""
    step: dict[str, Any] = {"stride": stride} if stride != 1 else {}
    return Layer.of("conv", channels=channels, kernel=3, activation="none", **step)
