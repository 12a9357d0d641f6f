"""`skip-chain`: convolutions with anchor points, after Zoph and Le.

Reference: Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017
(sections 3.1, 3.3 and 4.1).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

from nas_env.architecture import Architecture, Layer, Shape
from nas_env.layers.graph import Parts
from nas_env.spaces._image import ImageSpace
from nas_env.spaces.base import SPACES, Anchor, Choice, Option, SpaceFactory, Walk

HEIGHTS = WIDTHS = (1, 3, 5, 7)
FILTERS = (24, 36, 48, 64)
STRIDES = (1, 2, 3)
SKIPS = ("apart", "reads")
BIASES = 2  # parameters of a channel's normalisation
Values = tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One decision that is made for every layer.

    Attributes:
        name: Name of the setting.
        values: The available values.
        first: Number of the decision for the first value.
    """

    name: str
    values: Values
    first: int


class SkipState(NamedTuple):
    """State of a walk: the layer, its decisions, and the information for the parameter count."""

    layer: int  # from 1
    made: int
    height: int = 0
    width: int = 0
    filters: int = 0
    reads: bool = False  # whether it already reads a layer


class SkipChainSpace(ImageSpace):
    """Decide each of a fixed number of convolutions, and which earlier layers it reads.

    Decisions: 0-3 filter height 1, 3, 5, 7; 4-7 filter width; 8-11 filters 24, 36, 48, 64; then, if
        the space has strides, stride 1, 2, 3; the last two: an earlier layer is not read, or read.
        Layer N has one decision for each setting, then N - 1 decisions about the earlier layers,
        starting with the first (the anchor points). All are always legal. As in the paper, networks
        that cannot be built are repaired: a layer without inputs reads the image; outputs that no
        layer reads are read at the end; maps of different sizes are zero-padded to the largest. The
        inputs of a layer are concatenated along the channels. Normalisation and ReLU follow each
        convolution, global average pooling follows the last map.
    Observation: given by the environment; the state is the layer and its decisions. `project` keeps
        only the next decision: 34 states for 6 layers, 151 for 15.
    Reward: given by the environment; the paper's is "cubed-accuracy".
    Episode end: the last decision of the last layer.
    Reference: Zoph and Le, ICLR 2017. Their search started with 6 layers and added 2 every 1,600
        networks; here the number is fixed. One stride is used for both directions.

    The parameters of a layer depend on the channels of its inputs, so `cost` is an upper bound:
    every layer that is read by a layer or by the classifier counts with the maximum number of
    filters.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("skip-chain")(input_shape=(3, 32, 32), num_outputs=10)
        >>> space.max_length, space.size()
        (33, 2251799813685248)
    """

    bounds_cost = True

    def __init__(
        self,
        depth: int,
        strides: Sequence[int],
        name: str,
        input_shape: Shape,
        num_outputs: int,
        max_params: int | None = None,
    ) -> None:
        super().__init__(name, input_shape, num_outputs, max_params)
        self.depth = depth
        self.questions, self.num_decisions = _questions(strides)
        self.own = (
            len(self.questions) - 1
        )  # number of decisions of a layer before its anchor points
        self.max_length = sum(self.own + layer - 1 for layer in range(1, depth + 1))
        self.feature_names = ("layer", "decisions", "height", "width", "filters", "reads")
        self.anchors = self._anchors()

    def start(self) -> SkipState:
        """Return the state of the empty network."""
        return SkipState(1, 0)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the values of the next choice; None after the last layer."""
        state = cast(SkipState, state)
        if state.layer > self.depth:
            return None
        question = self._question(state.made)
        legal = tuple(range(question.first, question.first + len(question.values)))
        what = question.name if state.made < self.own else f"layer {state.made - self.own + 1}"
        return Choice(f"layer {state.layer}: {what}", legal, self._options)

    def follow(self, state: Hashable, decision: int) -> SkipState:
        """Return the state after a decision."""
        state = cast(SkipState, state)
        question = self._question(state.made)
        value = question.values[decision - question.first]
        after = state._replace(made=state.made + 1)
        if question.name in ("height", "width", "filters"):
            chosen: dict[str, Any] = {question.name: value}
            after = after._replace(**chosen)
        elif question.name == "skip":
            after = after._replace(reads=state.reads or value == SKIPS[1])
        return SkipState(state.layer + 1, 0) if self._complete(after) else after

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers whose settings are decided, and the end if the last one is decided."""
        graph = Repaired(self.input_shape)
        for filters, height, width, stride, reads in self._layers(walk):
            graph.convolve(filters, height, width, stride, reads)
        if len(walk) == self.max_length:
            graph.finish()
        return Architecture(tuple(graph.layers))

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the maximum number of parameters that a decision adds.

        The filters include normalisation and their part of the classifier. Each layer that is read
        adds its weights. The last decision of a layer without inputs adds those of the image.
        """
        state = cast(SkipState, state)
        question = self._question(state.made)
        after = self.follow(state, decision)
        value = question.values[decision - question.first]
        total = 0 if after.layer <= self.depth else self.num_outputs
        if question.name == "filters":
            total += int(value) * (BIASES + self.num_outputs)
            state = state._replace(filters=int(value))
        area = state.height * state.width * state.filters
        if question.name == "skip" and value == SKIPS[1]:
            return total + area * max(FILTERS)
        if after.layer > state.layer and not state.reads:
            total += area * self.input_shape[0]
        return total

    def project(self, state: Hashable) -> tuple[int, int]:
        """Return the layer and the number of its decisions made."""
        state = cast(SkipState, state)
        return state.layer, state.made

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the progress of the walk, and the current layer, scaled."""
        state = cast(SkipState, state)
        return (
            (state.layer - 1) / self.depth,
            state.made / (self.own + self.depth - 1),
            state.height / max(HEIGHTS),
            state.width / max(WIDTHS),
            state.filters / max(FILTERS),
            float(state.reads),
        )

    def _anchors(self) -> tuple[Anchor, ...]:
        """Return the decision of each layer about each earlier layer."""
        own, anchors, start = self.own, [], 0
        points: list[int] = []
        for layer in range(self.depth):
            points.append(start + own)
            for earlier in range(layer):
                position = start + own + earlier
                apart, reads = self.num_decisions - 2, self.num_decisions - 1
                anchors.append(Anchor(position, points[layer], points[earlier], apart, reads))
            start += own + layer
        return tuple(anchors)

    def _question(self, made: int) -> Question:
        return self.questions[min(made, self.own)]

    def _complete(self, state: SkipState) -> bool:
        return state.made == self.own + state.layer - 1

    def _layers(self, walk: Walk) -> Iterator[tuple[int, int, int, int, list[int]]]:
        """Yield filters, height, width, stride and input layers of each layer."""
        position = 0
        for layer in range(1, self.depth + 1):
            own = walk[position : position + self.own]
            if len(own) < self.own:
                return
            pairs = zip(self.questions, own, strict=False)
            settings = {q.name: int(q.values[d - q.first]) for q, d in pairs}
            position += self.own
            skips = walk[position : position + layer - 1]
            reads = [j for j, d in enumerate(skips, 1) if d == self.num_decisions - 1]
            position += layer - 1
            stride = settings.get("stride", 1)
            yield settings["filters"], settings["height"], settings["width"], stride, reads

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        fields = {
            "height": lambda value, order: {"kind": ("conv", 0), "kernel": (value, order)},
            "width": lambda value, order: {"kernel": (value, order)},
            "filters": lambda value, order: {"channels": (value, order)},
            "stride": lambda value, order: {"stride": (value, order)},
            "skip": lambda value, order: {"skip": (value, order)},
        }
        return tuple(
            Option(f"{question.name} {value}", fields[question.name](value, order))
            for question in self.questions
            for order, value in enumerate(question.values)
        )


class Repaired(Parts):
    """Builder of a network with the paper's repairs.

    Args:
        input_shape: (channels, height, width) of the image.
    """

    def __init__(self, input_shape: Shape) -> None:
        super().__init__(inputs=1)
        self.nodes = [0]  # of the image and of each convolution
        self.sides = [(input_shape[1], input_shape[2])]
        self.read: set[int] = {0}

    def convolve(
        self, filters: int, height: int, width: int, stride: int, reads: list[int]
    ) -> None:
        """Add a convolution that reads these layers (from 1), or the image."""
        reads = reads or [0]
        node, side = self._joined(reads)
        settings = {"channels": filters, "kernel": height}
        settings |= {"kernel_width": width} if width != height else {}
        settings |= {"stride": stride} if stride != 1 else {}
        self.nodes.append(self.add(Layer.of("conv", inputs=(node,), **settings)))
        self.sides.append((-(-side[0] // stride), -(-side[1] // stride)))
        self.read |= set(reads)

    def finish(self) -> None:
        """Concatenate the outputs that no layer reads, and average over the map."""
        node, _ = self._joined([x for x in range(len(self.nodes)) if x not in self.read])
        self.add(Layer.of("global-average-pool", inputs=(node,)))

    def _joined(self, reads: list[int]) -> tuple[int, tuple[int, int]]:
        """Return the node of all inputs, padded to the largest and concatenated, and its size."""
        side = max(self.sides[x][0] for x in reads), max(self.sides[x][1] for x in reads)
        nodes = [self._padded(x, side) for x in reads]
        return (nodes[0] if len(nodes) == 1 else self.merge("concat", nodes)), side

    def _padded(self, number: int, side: tuple[int, int]) -> int:
        node = self.nodes[number]
        if self.sides[number] == side:
            return node
        return self.add(Layer.of("zero-pad", inputs=(node,), height=side[0], width=side[1]))


def _questions(strides: Sequence[int]) -> tuple[tuple[Question, ...], int]:
    """Return the choices of a layer, the anchor points last, and the number of decisions."""
    choices: list[tuple[str, Values]] = [
        ("height", HEIGHTS),
        ("width", WIDTHS),
        ("filters", FILTERS),
    ]
    choices += [("stride", tuple(strides))] if strides else []
    questions, first = [], 0
    for name, values in (*choices, ("skip", SKIPS)):
        questions.append(Question(name, values, first))
        first += len(values)
    return tuple(questions), first


for _name, _depth, _strides in (
    ("skip-chain", 6, ()),
    ("skip-chain-15", 15, ()),
    ("skip-chain-strides", 6, STRIDES),
):
    _build = partial(SkipChainSpace, _depth, _strides, _name)
    _description = (
        f"{_depth} convolutions{' with strides' if _strides else ''} and skip connections."
    )
    SPACES.register(_name)(SpaceFactory(_build, "digits", (3, 32, 32), _description))
