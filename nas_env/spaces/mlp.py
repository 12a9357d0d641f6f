"""`mlp`: fully connected networks for vectors, layer by layer."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import NamedTuple, cast

from nas_env.architecture import Architecture, Layer, Shape
from nas_env.errors import IncompatibleError
from nas_env.layers import layer_type
from nas_env.spaces.base import SPACES, Choice, Option, SearchSpace, SpaceFactory, Walk

WIDTHS = (8, 16, 32, 64, 128)
ACTIVATIONS = ("relu", "tanh")
DROPOUT = 0.2
MAX_DEPTH = 4


class MLPState(NamedTuple):
    """State of a walk: layers so far, width of the last one, whether dropout was last."""

    depth: int
    width: int
    dropped: bool
    stopped: bool


class MLPSpace(SearchSpace):
    """Append fully connected layers, with dropout after any of them, then stop.

    Decisions: each combination of width and activation, dropout, and "stop" (the last number).
        Dropout is never first and never twice in a row, and does not count as a layer; "stop" is
        never first.
    Observation: given by the environment; the state holds depth, width and whether dropout is last.
    Reward: given by the environment.
    Episode end: "stop".
    Reference: none; a simple space for vectors.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> SPACES.get("mlp")(input_shape=(13,), num_outputs=3).options()[-1].label
        'stop'
    """

    modality = "vector"
    additive_cost = True
    distinct = True
    input_shape: Shape
    num_outputs: int
    feature_names = ("depth", "width", "dropout")

    def __init__(
        self, name: str, input_shape: Shape, num_outputs: int, max_params: int | None = None
    ) -> None:
        if len(input_shape) != 1:
            raise IncompatibleError(
                f"Space {name!r} needs vectors, got input shape {input_shape}. "
                "Choose a space for images, such as 'chain'."
            )
        self.name = name
        self.input_shape = input_shape
        self.num_outputs = num_outputs
        self.max_params = max_params
        self.layers = (
            *(Layer.of("linear", units=w, activation=a) for w in WIDTHS for a in ACTIVATIONS),
            Layer.of("dropout", rate=DROPOUT),
        )
        self.head = Layer.of("linear", units=num_outputs, activation="none")
        self.dropout, self.stop = len(self.layers) - 1, len(self.layers)
        self.num_decisions = len(self.layers) + 1
        self.max_length = 2 * MAX_DEPTH + 1

    def start(self) -> MLPState:
        """Return the state of the empty network."""
        return MLPState(0, self.input_shape[0], False, False)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the layers that may follow; None after "stop"."""
        state = cast(MLPState, state)
        if state.stopped:
            return None
        widths = tuple(range(self.dropout)) if state.depth < MAX_DEPTH else ()
        after = () if state.depth == 0 else (self.stop,)
        drop = (self.dropout,) if state.depth and not state.dropped else ()
        options = [Option(layer_type(x).label(x), _fields(x)) for x in self.layers]
        return Choice(
            f"layer {state.depth + 1}",
            (*widths, *drop, *after),
            (*options, Option("stop", {"kind": ("stop", 0)})),
        )

    def follow(self, state: Hashable, decision: int) -> MLPState:
        """Return the state after a legal decision."""
        state = cast(MLPState, state)
        if decision == self.stop:
            return state._replace(stopped=True)
        if decision == self.dropout:
            return state._replace(dropped=True)
        return MLPState(state.depth + 1, self.layers[decision]["units"], False, False)

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers decided so far."""
        return Architecture(tuple(self.layers[x] for x in walk if x != self.stop))

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters that a decision adds; "stop" adds those of the classifier."""
        layer = self.head if decision == self.stop else self.layers[decision]
        return layer_type(layer).params(layer, [(cast(MLPState, state).width,)])

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return depth, width of the last layer and whether dropout is last, scaled."""
        state = cast(MLPState, state)
        width = state.width / max(WIDTHS) if state.depth else 0.0
        return state.depth / MAX_DEPTH, width, float(state.dropped)


def _fields(layer: Layer) -> dict[str, tuple[str | int | float | bool, int]]:
    order = {"units": WIDTHS, "activation": ACTIVATIONS, "rate": (DROPOUT,)}
    settings = {key: (value, order[key].index(value)) for key, value in layer.settings}
    return {"kind": (layer.kind, 0), **settings}


SPACES.register("mlp")(
    SpaceFactory(
        partial(MLPSpace, "mlp"),
        "wine",
        (13,),
        "Fully connected networks for vectors, layer by layer.",
    )
)
