"""`enas-macro`: whole networks of ENAS, after Pham et al.

Reference: Pham, Guan, Zoph, Le, Dean, "Efficient Neural Architecture Search via Parameter Sharing",
ICML 2018 (section 2.3, the macro search space), and the authors' code.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property, lru_cache, partial
from typing import NamedTuple, cast

from nas_env.architecture import Architecture, Layer, Shape
from nas_env.layers.composite import Chain, params_along
from nas_env.layers.graph import Parts
from nas_env.layers.nasnet import depthwise
from nas_env.layers.pooling import local_pool
from nas_env.skeletons import stem
from nas_env.spaces._image import ImageSpace
from nas_env.spaces.base import SPACES, Anchor, Choice, Option, SpaceFactory, Walk

OPERATIONS = ("conv-3x3", "conv-5x5", "sep-3x3", "sep-5x5", "avg-pool-3x3", "max-pool-3x3")
SKIPS = ("apart", "added")
DEPTH, CHANNELS = 12, 36
STAGES = 3
NORM, HALF = Layer.of("batch-norm"), local_pool("avg", 2, 2)


class MacroState(NamedTuple):
    """State of a walk: the layer (from 1) and the number of its decisions made."""

    layer: int
    made: int


class ENASMacroSpace(ImageSpace):
    """Decide the operation of each layer, and which earlier outputs are added to its output.

    Decisions: 0-5 an operation (3x3 and 5x5 convolution, the same as depthwise separable
        convolutions, 3x3 average and max pooling, each after a 1x1 convolution); 6 an earlier
        output is not added, 7 it is added. Layer N has one operation and then N - 1 decisions 6
        or 7, for the stem and layers 1 to N - 2; it always reads layer N - 1. All are always legal.
        The sum is normalised. After each third of the layers the size of the map is halved.
    Observation: given by the environment; the state is the layer and the number of its decisions
        made: 79 states.
    Reward: given by the environment.
    Episode end: the last decision of the last layer.
    Reference: Pham et al., ICML 2018: 12 layers of 36 channels. Here each network is trained
        separately, without shared weights. Average pooling without parameters halves the maps; the
        authors' code uses convolutions.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("enas-macro")(input_shape=(3, 32, 32), num_outputs=10)
        >>> space.max_length, space.automaton().num_states
        (78, 79)
    """

    def __init__(
        self, name: str, input_shape: Shape, num_outputs: int, max_params: int | None = None
    ) -> None:
        super().__init__(name, input_shape, num_outputs, max_params)
        self.num_decisions = len(OPERATIONS) + len(SKIPS)
        self.max_length = DEPTH * (DEPTH + 1) // 2
        self.feature_names = ("layer", "decisions")
        self.anchors = self._anchors()

    def start(self) -> MacroState:
        """Return the state of the empty network."""
        return MacroState(1, 0)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the operations, or the values of a connection; None after the last layer."""
        layer, made = cast(MacroState, state)
        if layer > DEPTH:
            return None
        first, count = (0, len(OPERATIONS)) if made == 0 else (len(OPERATIONS), len(SKIPS))
        source = "stem" if made == 1 else f"layer {made - 1}"
        what = "operation" if made == 0 else source
        return Choice(f"layer {layer}: {what}", tuple(range(first, first + count)), self._options)

    def follow(self, state: Hashable, decision: int) -> MacroState:
        """Return the state after a decision."""
        layer, made = cast(MacroState, state)
        return MacroState(layer, made + 1) if made + 1 < layer else MacroState(layer + 1, 0)

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers with decided operations, and the end if the last one is decided."""
        parts, position = Parts(inputs=1), 0
        outputs = [parts.chain(0, (stem(CHANNELS),))]  # nodes of the stem and of each layer
        for number in range(1, DEPTH + 1):
            if position >= len(walk):
                break
            node = parts.chain(outputs[-1], _chain(OPERATIONS[walk[position]]))
            skips = walk[position + 1 : position + number]
            added = [outputs[i] for i, d in enumerate(skips) if d == self.num_decisions - 1]
            position += number
            if number > 1:
                node = parts.merge("add", [node, *added]) if added else node
                node = parts.chain(node, (NORM,))
            outputs.append(node)
            if number % (DEPTH // STAGES) == 0 and number < DEPTH:
                later = self._read_later(walk, position, number)
                outputs = [
                    parts.chain(x, (HALF,)) if i in later else x for i, x in enumerate(outputs)
                ]
        if len(walk) == self.max_length:
            parts.chain(outputs[-1], (Layer.of("global-average-pool"),))
        return Architecture(tuple(parts.layers))

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters a decision adds; the last one includes stem and classifier.

        An operation includes the normalisation of its sum; connections have no parameters.
        """
        layer, made = cast(MacroState, state)
        total = 0
        if made == 0:
            norm = (NORM,) if layer > 1 else ()
            total = params_along((*_chain(OPERATIONS[decision]), *norm), (CHANNELS, 1, 1))
        if self.follow(state, decision).layer > DEPTH:
            total += params_along((stem(CHANNELS),), self.input_shape) + params_along(
                (self.head,), (CHANNELS,)
            )
        return total

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the share of decided layers, and of decisions made for the current layer."""
        layer, made = cast(MacroState, state)
        return (layer - 1) / DEPTH, made / DEPTH

    def _anchors(self) -> tuple[Anchor, ...]:
        """Return the decisions of each layer about the stem and the earlier layers."""
        points = [0, *(1 + layer * (layer - 1) // 2 for layer in range(1, DEPTH + 1))]
        apart, reads = self.num_decisions - 2, self.num_decisions - 1
        return tuple(
            Anchor(points[layer] + source, points[layer], points[source], apart, reads)
            for layer in range(2, DEPTH + 1)
            for source in range(layer - 1)
        )

    def _read_later(self, walk: Walk, position: int, number: int) -> set[int]:
        """Return the outputs read by layers after `number`, whose decisions start at `position`."""
        later = {number}
        for layer in range(number + 1, DEPTH + 1):
            skips = walk[position + 1 : position + layer]
            later |= {i for i, d in enumerate(skips) if d == self.num_decisions - 1}
            position += layer
        return later

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        operations = [Option(x, {"operation": (x, i)}) for i, x in enumerate(OPERATIONS)]
        return (*operations, *(Option(x, {"skip": (x, i)}) for i, x in enumerate(SKIPS)))


@lru_cache(maxsize=len(OPERATIONS))
def _chain(operation: str) -> Chain:
    """Return a 1x1 convolution and the operation."""
    point = Layer.of("conv", channels=CHANNELS, kernel=1)
    kind, size = operation.split("-")[0], int(operation[-1])
    if kind == "conv":
        return point, Layer.of("conv", channels=CHANNELS, kernel=size)
    if kind == "sep":
        return point, depthwise(CHANNELS, size, 1), point
    return point, local_pool(kind, size)


SPACES.register("enas-macro")(
    SpaceFactory(
        partial(ENASMacroSpace, "enas-macro"),
        "digits",
        (3, 32, 32),
        "Whole networks of ENAS: twelve layers and their skip connections.",
    )
)
