"""Choices of a search space: the decisions in a state, and their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nas_env.architecture import Scalar

Walk = tuple[int, ...]


@dataclass(frozen=True)
class Option:
    """One available decision.

    Attributes:
        label: Short label for tables, such as "conv 16, 3x3".
        fields: Maps field names to (value, order); the order defines "wider" and "narrower".
    """

    label: str
    fields: Mapping[str, tuple[Scalar, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """The choice in a state.

    Attributes:
        name: Name of the choice, such as "layer 3".
        legal: The legal decisions in ascending order.
        options: All decisions of the space in order of their numbers, including illegal ones.
    """

    name: str
    legal: tuple[int, ...]
    options: tuple[Option, ...]


class Anchor(NamedTuple):
    """A decision of a walk about a skip connection: whether a layer reads an earlier layer.

    Attributes:
        position: Index of the decision in the walk.
        layer: Index at which the layer's own decisions are made: its anchor point.
        earlier: The anchor point of the earlier layer.
        apart: The decision without the connection.
        reads: The decision with the connection.
    """

    position: int
    layer: int
    earlier: int
    apart: int
    reads: int
