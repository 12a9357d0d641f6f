"""Layers that consist of other layers; their costs are the sums of the costs of their parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from nas_env.architecture import Layer, Shape
from nas_env.layers.base import FLOAT_BYTES, LayerType, layer_type, size

if TYPE_CHECKING:
    from torch import nn

Chain = tuple[Layer, ...]
Placed = tuple[Layer, tuple[Shape, ...]]


def along(chain: Iterable[Layer], shape: Shape) -> Iterator[Placed]:
    """Yield each layer of a chain with its input shapes; `shape` is the input of the first."""
    for layer in chain:
        yield layer, (shape,)
        shape = layer_type(layer).output_shape(layer, (shape,))


def params_along(chain: Iterable[Layer], shape: Shape) -> int:
    """Return the parameters of a chain of layers with the input shape `shape`."""
    return sum(layer_type(x).params(x, inputs) for x, inputs in along(chain, shape))


class Compound(LayerType):
    """A layer that consists of other layers; its costs are the sums of theirs."""

    @abstractmethod
    def parts(self, layer: Layer, inputs: Sequence[Shape]) -> Iterable[Placed]:
        """Return all parts with their input shapes."""

    def params(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the parameters of all parts."""
        return sum(layer_type(x).params(x, reads) for x, reads in self.parts(layer, inputs))

    def macs(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the multiply-accumulates of all parts."""
        return sum(layer_type(x).macs(x, reads) for x, reads in self.parts(layer, inputs))

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the outputs of all parts."""
        parts = self.parts(layer, inputs)
        return sum(layer_type(x).activation_bytes(x, reads) for x, reads in parts)


class Composite(Compound):
    """A layer whose parts are chains of other layers."""

    @abstractmethod
    def chains(self, layer: Layer, shape: Shape) -> Sequence[Chain]:
        """Return the chains of layers that it consists of; an empty chain is the identity."""

    @abstractmethod
    def shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the input shape.

        Raises:
            InvalidArchitectureError: The layer does not accept these inputs.
        """

    @abstractmethod
    def sums(self, layer: Layer, shape: Shape) -> int:
        """Return the number of sums of chains, each of the size of the output."""

    def parts(self, layer: Layer, inputs: Sequence[Shape]) -> list[Placed]:
        """Return all parts with their input shapes."""
        shape = self.shape(layer, inputs)
        return [part for chain in self.chains(layer, shape) for part in along(chain, shape)]

    def activation_bytes(self, layer: Layer, inputs: Sequence[Shape]) -> int:
        """Return the bytes of the outputs of all parts and of the sums."""
        sums = self.sums(layer, self.shape(layer, inputs))
        own = super().activation_bytes(layer, inputs)
        return own + sums * FLOAT_BYTES * size(self.output_shape(layer, inputs))


def chain_module(chain: Chain, shape: Shape) -> nn.Module | None:
    """Return the module of a chain with the input shape `shape`; None for the identity."""
    from torch import nn

    modules = [layer_type(layer).build(layer, inputs) for layer, inputs in along(chain, shape)]
    return nn.Sequential(*modules) if modules else None


class Branches(Composite):
    """A layer that is the sum of chains with a common input."""

    def output_shape(self, layer: Layer, inputs: Sequence[Shape]) -> Shape:
        """Return the shape after the first chain."""
        shape = self.shape(layer, inputs)
        for part in self.chains(layer, shape)[0]:
            shape = layer_type(part).output_shape(part, (shape,))
        return shape

    def sums(self, layer: Layer, shape: Shape) -> int:
        """Return 1, or 0 if there is only one chain."""
        return int(len(self.chains(layer, shape)) > 1)

    def build(self, layer: Layer, inputs: Sequence[Shape]) -> nn.Module:
        """Return the chain, or the sum of the chains."""
        from nas_env.layers._branch_modules import SumOf

        shape = self.shape(layer, inputs)
        modules = [chain_module(chain, shape) for chain in self.chains(layer, shape)]
        return modules[0] if len(modules) == 1 and modules[0] else SumOf(modules)
