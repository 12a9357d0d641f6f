"""What a space offers in a state: decisions by number, and what each of them means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nas_env.architecture import Scalar

Walk = tuple[int, ...]


@dataclass(frozen=True)
class Option:
    """One decision as it is offered.

    Attributes:
        label: Short text for tables, such as "conv 16, 3x3".
        fields: Field name to (value, order): the order says what "wider" or "narrower" means.
    """

    label: str
    fields: Mapping[str, tuple[Scalar, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What is offered in a state.

    Attributes:
        name: What is being chosen, such as "layer 3".
        legal: The legal decisions, ascending.
        options: All decisions of the space by number, legal here or not.
    """

    name: str
    legal: tuple[int, ...]
    options: tuple[Option, ...]


class Anchor(NamedTuple):
    """A decision of a walk that says whether a layer reads an earlier one, or leaves it apart.

    Attributes:
        position: Number of the decision in the walk, from 0.
        layer: Position at which the layer's own decisions are made: its anchor point.
        earlier: The same of the earlier layer.
        apart: The decision that leaves it apart.
        reads: The decision that reads it.
    """

    position: int
    layer: int
    earlier: int
    apart: int
    reads: int
