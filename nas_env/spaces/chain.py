"""`chain`: convolutional networks layer by layer, after the grammar of MetaQNN.

Reference: Baker, Gupta, Naik, Raskar, "Designing Neural Network Architectures using Reinforcement
Learning", ICLR 2017 (tables 1 and A1, sections 4.2 and 5).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import log2
from typing import NamedTuple, cast

from nas_env.architecture import Architecture, Candidate, Layer, Recipe, Shape
from nas_env.layers import layer_type
from nas_env.spaces._image import ImageSpace
from nas_env.spaces.base import SPACES, Choice, Option, SpaceFactory, Walk

CONV, POOL, GLOBAL, LINEAR, STOP = "conv", "max-pool", "global-average-pool", "linear", "stop"

# The kinds that may follow each kind. Pooling is never first and never twice in a row; no spatial
# layer follows a flat layer; a network is never empty.
FOLLOWS: dict[str, frozenset[str]] = {
    "start": frozenset({CONV}),
    CONV: frozenset({CONV, POOL, GLOBAL, LINEAR, STOP}),
    POOL: frozenset({CONV, GLOBAL, LINEAR, STOP}),
    GLOBAL: frozenset({LINEAR, STOP}),
    LINEAR: frozenset({LINEAR, STOP}),
}
# MetaQNN may start with a fully connected layer on a small map, and ends after global pooling.
METAQNN_FOLLOWS = {**FOLLOWS, "start": frozenset({CONV, LINEAR}), GLOBAL: frozenset({STOP})}

METAQNN_RECIPE = Recipe(
    optimizer="adam",
    learning_rate=0.001,
    weight_decay=0.0,
    batch_size=128,
    schedule="step",
    step_factor=0.2,
    step_epochs=5,
)


@dataclass(frozen=True)
class Grammar:
    """The rules of one chain space, as data.

    Attributes:
        convolutions: (channels, kernel, stride) of each available convolution.
        pools: (kernel, stride) of each available max pooling.
        linears: Width of each available fully connected layer.
        max_depth: Maximum number of layers without "stop".
        max_linears: Maximum number of fully connected layers; None means no separate limit.
        linear_max_side: Maximum width of a map before a fully connected layer; None means any.
        follows: The kinds that may follow each kind.
        batch_norm: Whether convolutions have batch normalisation.
        activation: Activation of convolutions and fully connected layers.
        dropout: "none", "metaqnn" (after every two layers, the i-th of n with rate i / 2n) or
            "linear" (0.5 after each fully connected layer).
        recipe: The recipe of the networks.
    """

    convolutions: tuple[tuple[int, int, int], ...]
    pools: tuple[tuple[int, int], ...]
    linears: tuple[int, ...]
    max_depth: int
    max_linears: int | None = 2
    linear_max_side: int | None = 4
    follows: Mapping[str, frozenset[str]] = field(default_factory=lambda: FOLLOWS)
    batch_norm: bool = True
    activation: str = "relu"
    dropout: str = "none"
    recipe: Recipe = field(default_factory=Recipe)


class ChainState(NamedTuple):
    """State of a walk: layers so far, last decision, exact shape, fully connected layers so far."""

    depth: int
    last: int  # decision, -1 before the first
    shape: Shape
    linears: int
    stopped: bool


class ChainSpace(ImageSpace):
    """Append one layer after another, then stop.

    Decisions: one number for each convolution (channels, kernel, stride), each max pooling
        (kernel, stride), each fully connected width, global average pooling, and "stop" (the last
        number). A window is never larger than the map; the width of fully connected layers never
        increases.
    Observation: given by the environment; the state holds depth, last decision, exact map size and
        number of fully connected layers. `project` bins the map size as in the paper: above 7,
        4 to 7, below 4.
    Reward: given by the environment.
    Episode end: "stop", the only legal decision at the depth limit.
    Reference: Baker et al., ICLR 2017.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("chain")(input_shape=(1, 8, 8), num_outputs=10)
        >>> space.options()[0].label
        'conv 8, 1x1'
        >>> space.check((0,))
        'The walk is not complete after 1 decisions. Add more decisions.'
    """

    distinct = True

    def __init__(
        self,
        grammar: Grammar,
        name: str,
        input_shape: Shape,
        num_outputs: int,
        max_params: int | None = None,
    ) -> None:
        super().__init__(name, input_shape, num_outputs, max_params)
        self.grammar = grammar
        self.layers = _vocabulary(grammar)
        self.stop = len(self.layers)
        self.num_decisions = len(self.layers) + 1
        self.max_length = grammar.max_depth + 1
        self.feature_names = ("depth", "height", "width", "channels", "linears")

    def start(self) -> ChainState:
        """Return the state of the empty network."""
        return ChainState(0, -1, self.input_shape, 0, False)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the layers that may follow; None after "stop"."""
        state = cast(ChainState, state)
        if state.stopped:
            return None
        legal = tuple(d for d in range(self.num_decisions) if self._fits(state, d))
        return Choice(f"layer {state.depth + 1}", legal, self._options)

    def follow(self, state: Hashable, decision: int) -> ChainState:
        """Return the state after a legal decision."""
        state = cast(ChainState, state)
        if decision == self.stop:
            return state._replace(last=decision, stopped=True)
        layer = self.layers[decision]
        shape = layer_type(layer).output_shape(layer, [state.shape])
        return ChainState(
            state.depth + 1, decision, shape, state.linears + (layer.kind == LINEAR), False
        )

    def assemble(self, walk: Walk) -> Candidate:
        """Return the network of a complete walk, with the grammar's dropout and recipe."""
        return Candidate(self.partial(walk), self.grammar.recipe, walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers decided so far, with the grammar's dropout."""
        layers = [self.layers[decision] for decision in walk if decision != self.stop]
        if self.grammar.dropout == "metaqnn":
            layers = _with_metaqnn_dropout(layers)
        elif self.grammar.dropout == "linear":
            half = Layer.of("dropout", rate=0.5)
            layers = [part for x in layers for part in ([x, half] if x.kind == LINEAR else [x])]
        return Architecture(tuple(layers))

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters that a decision adds; "stop" adds those of the classifier."""
        state = cast(ChainState, state)
        layer = self.head if decision == self.stop else self.layers[decision]
        return layer_type(layer).params(layer, [state.shape])

    def project(self, state: Hashable) -> Hashable:
        """Return the state with the paper's three bins instead of the exact map size."""
        state = cast(ChainState, state)
        side = state.shape[-1] if len(state.shape) == 3 else 0
        size_bin = 8 if side > 7 else 4 if side > 3 else 1
        return state.depth, state.last, size_bin, state.linears, state.stopped

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return depth, height, width, channels (log scale) and fully connected layers, scaled."""
        state = cast(ChainState, state)
        height, width = state.shape[1:] if len(state.shape) == 3 else (0, 0)
        return (
            state.depth / self.grammar.max_depth,
            height / self.input_shape[1],
            width / self.input_shape[2],
            log2(1 + state.shape[0]) / log2(1 + self._most_channels),
            state.linears / self.grammar.max_depth,
        )

    @cached_property
    def _most_channels(self) -> int:
        channels = (channels for channels, _, _ in self.grammar.convolutions)
        return max(self.input_shape[0], *channels, *self.grammar.linears)

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        options = [
            Option(
                layer_type(layer).label(layer),
                {"kind": (layer.kind, 0)}
                | {key: (value, int(value)) for key, value in layer.settings if type(value) is int},
            )
            for layer in self.layers
        ]
        return (*options, Option("stop", {"kind": (STOP, 0)}))

    def _kind(self, decision: int) -> str:
        return STOP if decision == self.stop else self.layers[decision].kind

    def _fits(self, state: ChainState, decision: int) -> bool:
        before = "start" if state.depth == 0 else self._kind(state.last)
        kind = self._kind(decision)
        if kind not in self.grammar.follows[before]:
            return False
        if kind == STOP:
            return True
        if state.depth == self.grammar.max_depth:
            return False
        if kind in (CONV, POOL):
            return bool(self.layers[decision]["kernel"] <= min(state.shape[1:]))
        return kind == GLOBAL or self._fits_linear(state, self.layers[decision]["units"])

    def _fits_linear(self, state: ChainState, units: int) -> bool:
        grammar = self.grammar
        if grammar.max_linears is not None and state.linears >= grammar.max_linears:
            return False
        if state.linears:
            return units <= state.shape[0]
        flat = len(state.shape) == 1
        limit = grammar.linear_max_side
        return flat or limit is None or max(state.shape[1:]) <= limit


def _vocabulary(grammar: Grammar) -> tuple[Layer, ...]:
    """Return the layer of each decision except "stop", in order of their numbers."""
    activation, batch_norm = grammar.activation, grammar.batch_norm
    convolutions = [
        Layer.of(CONV, channels=c, kernel=k, stride=s, batch_norm=batch_norm, activation=activation)
        for c, k, s in grammar.convolutions
    ]
    pools = [Layer.of(POOL, kernel=kernel, stride=stride) for kernel, stride in grammar.pools]
    linears = [Layer.of(LINEAR, units=units, activation=activation) for units in grammar.linears]
    return (*convolutions, *pools, *linears, Layer.of(GLOBAL))


def _with_metaqnn_dropout(layers: list[Layer]) -> list[Layer]:
    """Return the layers with dropout after every two; the i-th of n has rate i / 2n."""
    total, out = len(layers) // 2, []
    for number, layer in enumerate(layers, start=1):
        out.append(layer)
        if number % 2 == 0:
            out.append(Layer.of("dropout", rate=(number // 2) / (2 * total)))
    return out


def _square(
    channels: tuple[int, ...], kernels: tuple[int, ...]
) -> tuple[tuple[int, int, int], ...]:
    return tuple((c, k, 1) for c in channels for k in kernels)


DEFAULT = Grammar(
    convolutions=_square((8, 16, 32, 64), (1, 3)),
    pools=((2, 2), (3, 2)),
    linears=(128, 64, 32),
    max_depth=6,
)
# The networks of `NASChain-v0`, all of which were trained: see docs/chain-bench.md. If numbers here
# change, its table becomes invalid.
CHAIN_BENCH = Grammar(
    convolutions=((8, 1, 1), (8, 3, 1), (16, 3, 2), (32, 3, 2)),
    pools=((2, 2),),
    linears=(32,),
    max_depth=5,
    recipe=Recipe(batch_size=50),
)
# The restarts of section 5 (rate times 0.4 if the first epoch is not above chance) are not
# implemented.
# Table 1. Batch normalisation off, as in the published configurations. The depth limit of 12 means
# at most 12 layers before the classifier, as in the first published SVHN network.
METAQNN_SVHN = Grammar(
    convolutions=_square((64, 128, 256, 512), (1, 3, 5)),
    pools=((5, 3), (3, 2), (2, 2)),
    linears=(512, 256, 128),
    max_depth=12,
    linear_max_side=7,
    follows=METAQNN_FOLLOWS,
    batch_norm=False,
    dropout="metaqnn",
    recipe=METAQNN_RECIPE,
)
METAQNN_CIFAR10 = Grammar(**{**vars(METAQNN_SVHN), "max_depth": 18})
# For images of 14x14 on one core, see docs/metaqnn.md. Channels and widths are those of table 1
# divided by 16. The number of images is also about 16 times smaller, so batches are four times
# smaller.
METAQNN_SMALL = Grammar(
    **{
        **vars(METAQNN_SVHN),
        "convolutions": _square((4, 8, 16, 32), (1, 3, 5)),
        "linears": (32, 16, 8),
        "recipe": replace(METAQNN_RECIPE, batch_size=32),
    }
)
# Table A1. The paper gives filters, widths, depth, ELU and dropout. It gives the log-spaced windows
# and strides as formulas that depend on the map; the pairs here are our choice: those of the five
# networks of table A4, and their neighbours. Global pooling is not available, and the width of
# fully connected layers never increases (our choice, as in the other configurations).
METAQNN_MNIST = Grammar(
    convolutions=tuple(
        (c, k, s)
        for c in (60, 120, 240)
        for k, s in ((2, 1), (3, 1), (4, 1), (5, 1), (5, 2), (5, 3), (7, 1))
    ),
    pools=((2, 1), (2, 2), (3, 2), (5, 1), (5, 3), (10, 4)),
    linears=(1000, 500, 250, 100, 50, 10),
    max_depth=15,
    max_linears=None,
    linear_max_side=None,
    follows={kind: after - {GLOBAL} for kind, after in METAQNN_FOLLOWS.items()},
    batch_norm=False,
    activation="elu",
    dropout="linear",
    recipe=METAQNN_RECIPE,
)

_SMALL = "Small convolutional networks, layer by layer"
_PAPER = "MetaQNN's convolutional networks"
for _name, _grammar, _task, _shape, _description in (
    ("chain", DEFAULT, "digits", (1, 8, 8), f"{_SMALL}, up to 6 layers."),
    ("chain-bench", CHAIN_BENCH, "mnist-small", (1, 14, 14), f"{_SMALL}: those of NASChain-v0."),
    ("metaqnn-svhn", METAQNN_SVHN, "digits", (3, 32, 32), f"{_PAPER} for SVHN, up to 12 layers."),
    (
        "metaqnn-cifar10",
        METAQNN_CIFAR10,
        "digits",
        (3, 32, 32),
        f"{_PAPER} for CIFAR-10, up to 18 layers.",
    ),
    (
        "metaqnn-mnist",
        METAQNN_MNIST,
        "digits",
        (1, 28, 28),
        f"{_PAPER} for MNIST, up to 15 layers.",
    ),
    (
        "metaqnn-small",
        METAQNN_SMALL,
        "mnist-small",
        (1, 14, 14),
        f"{_PAPER} for SVHN with a sixteenth of the channels.",
    ),
):
    _build = partial(ChainSpace, _grammar, _name)
    SPACES.register(_name)(SpaceFactory(_build, _task, _shape, _description))
