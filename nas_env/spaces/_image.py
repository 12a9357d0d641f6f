"""The base class of spaces of networks for images."""

from __future__ import annotations

from functools import cached_property

from nas_env.architecture import Layer, Shape
from nas_env.errors import IncompatibleError
from nas_env.spaces.base import SearchSpace


class ImageSpace(SearchSpace):
    """A space of networks for images, whose decisions have additive costs in parameters.

    Args:
        name: The registered name.
        input_shape: Shape of the images, without batch.
        num_outputs: Number of classes.
        max_params: Maximum number of parameters, or None.

    Raises:
        IncompatibleError: The shape is not the shape of images.
    """

    modality = "image"
    additive_cost = True
    input_shape: Shape
    num_outputs: int

    def __init__(
        self, name: str, input_shape: Shape, num_outputs: int, max_params: int | None = None
    ) -> None:
        if len(input_shape) != 3:
            raise IncompatibleError(
                f"Space {name!r} needs images (channels, height, width), got input shape "
                f"{input_shape}. Choose a space for vectors, such as 'mlp'."
            )
        self.name = name
        self.input_shape = input_shape
        self.num_outputs = num_outputs
        self.max_params = max_params

    @cached_property
    def head(self) -> Layer:
        """The final classifier that a task adds; part of the cost of a decision."""
        return Layer.of("linear", units=self.num_outputs, activation="none")
