"""`block-qnn`: one block that is stacked, after Zhong et al.

Reference: Zhong, Yan, Wu, Shao, Liu, "Practical Block-wise Neural Network Architecture Generation",
CVPR 2018 (section 3.1, table 1, figure 3).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import cached_property, partial
from itertools import pairwise
from typing import NamedTuple, cast

from nas_env.architecture import Architecture, Shape
from nas_env.layers.composite import params_along
from nas_env.layers.nsc_block import MERGES, UNARY, Code, block_text, unary_chain
from nas_env.layers.residual import relu_conv_bn
from nas_env.skeletons import stem
from nas_env.skeletons.block_qnn import STAGES, BlockQNNSkeleton
from nas_env.spaces._image import ImageSpace
from nas_env.spaces.base import SPACES, Choice, Option, SpaceFactory, Walk

OPERATIONS = (*UNARY, *MERGES)


class BlockState(NamedTuple):
    """State of a walk: the layer (from 1), its operation and first input (-1 if undecided)."""

    layer: int
    operation: int = -1
    first: int = -1
    stopped: bool = False


class BlockQNNSpace(ImageSpace):
    """Append one layer of a block after another, then stop.

    Decisions: an operation (convolution 1, 3, 5, max pooling 1, 3, average pooling 1, 3, identity,
        add, concat) or "stop" (the terminal code), then the earlier layer that it reads (0 is the
        input of the block); "add" and "concat" read two layers, the second after the first. "stop"
        is the only legal decision at the depth limit. The network: a 3x3 convolution, three stages
        of stacked blocks, each with twice the channels, with 3x3 max pooling of stride 2 between
        them, ReLU and global average pooling. The leaves of a block are concatenated.
    Observation: given by the environment; the state is the layer, its operation and first input.
    Reward: given by the environment; the paper's is "block-qnn".
    Episode end: "stop".
    Reference: Zhong et al., CVPR 2018. In the paper a block has up to 23 layers, the channels are
        32, 64 and 128, and one action is a whole code; here a block has up to 8 layers, the
        channels are 8, 16 and 32, and a code is two or three decisions.

    The parameters of the next block depend on the number of leaves, so `cost` is an upper bound:
    every layer counts as a leaf.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("block-qnn")(input_shape=(3, 32, 32), num_outputs=10)
        >>> space.decode((1, 11, 8, 11, 12, 10)).architecture.layers[1]["code"]
        'conv-3 0 | add 0 1'
    """

    bounds_cost = True

    def __init__(
        self,
        depth: int,
        repeats: int,
        channels: int,
        name: str,
        input_shape: Shape,
        num_outputs: int,
        max_params: int | None = None,
    ) -> None:
        super().__init__(name, input_shape, num_outputs, max_params)
        self.depth, self.repeats, self.channels = depth, repeats, channels
        self.stop = len(OPERATIONS)
        self.inputs = self.stop + 1  # the first decision that selects a layer
        self.num_decisions = self.inputs + depth
        self.max_length = 2 + 3 * (depth - 1) + 1  # the first layer cannot merge
        self.feature_names = ("layer", "operation decided", "first input decided")

    def start(self) -> BlockState:
        """Return the state of the empty block."""
        return BlockState(1)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the operations, or the layers that can be read; None after "stop"."""
        state = cast(BlockState, state)
        if state.stopped:
            return None
        name = f"layer {state.layer}"
        if state.operation < 0:
            unary = tuple(range(len(UNARY))) if state.layer <= self.depth else ()
            merges = tuple(range(len(UNARY), self.stop)) if 1 < state.layer <= self.depth else ()
            stop = (self.stop,) if state.layer > 1 else ()
            return Choice(name, (*unary, *merges, *stop), self._options)
        merging = state.operation >= len(UNARY)
        first, last = state.first + 1, state.layer - (merging and state.first < 0)
        legal = range(self.inputs + first, self.inputs + last)
        return Choice(f"{name}: reads", tuple(legal), self._options)

    def follow(self, state: Hashable, decision: int) -> BlockState:
        """Return the state after a legal decision."""
        state = cast(BlockState, state)
        if decision == self.stop:
            return state._replace(stopped=True)
        if state.operation < 0:
            return state._replace(operation=decision)
        if state.operation >= len(UNARY) and state.first < 0:
            return state._replace(first=decision - self.inputs)
        return BlockState(state.layer + 1)

    def partial(self, walk: Walk) -> Architecture:
        """Return the whole network, with only the layers decided so far in its blocks."""
        text = block_text(tuple(self._codes(walk)) or (Code("identity", (0,)),))
        return BlockQNNSkeleton((text,), self.repeats, self.channels).stack()

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the maximum number of parameters that a decision adds to all blocks.

        "stop" includes the stem, the classifier, and the adapters of the leaves to the next block.
        """
        state = cast(BlockState, state)
        if decision == self.stop:
            return self._outside[state.layer - 1]
        if state.operation >= 0:
            return 0
        name = OPERATIONS[decision]
        widths = [width for width in self._widths() for _ in range(self.repeats)]
        if name == "concat":
            return sum(params_along(relu_conv_bn(w, 1), (2 * w, 1, 1)) for w in widths)
        if name == "add":
            return 0
        return sum(params_along(unary_chain(name, width), (width, 1, 1)) for width in widths)

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the share of decided layers, and which decisions of the current one are made."""
        state = cast(BlockState, state)
        return (
            (state.layer - 1) / self.depth,
            float(state.operation >= 0),
            float(state.first >= 0),
        )

    def _widths(self) -> list[int]:
        return [self.channels * 2**stage for stage in range(STAGES)]

    def _codes(self, walk: Walk) -> Iterator[Code]:
        """Yield the complete layers of a walk."""
        decisions = iter(walk)
        for operation in decisions:
            if operation == self.stop:
                return
            wanted = 1 if operation < len(UNARY) else 2
            read = [x - self.inputs for _, x in zip(range(wanted), decisions, strict=False)]
            if len(read) < wanted:
                return
            yield Code(OPERATIONS[operation], tuple(read))

    @cached_property
    def _outside(self) -> dict[int, int]:
        """Parameters outside the blocks, including their adapters, by the number of leaves."""
        return {count: self._around(count) for count in range(1, self.depth + 1)}

    def _around(self, count: int) -> int:
        widths = [width for width in self._widths() for _ in range(self.repeats)]
        total = params_along((stem(self.channels),), self.input_shape)
        for before, width in pairwise(widths):
            total += params_along(relu_conv_bn(width, 1), (count * before, 1, 1))
        return total + params_along((self.head,), (count * widths[-1],))

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        operations = [
            Option(name, {"kind": (name.split("-")[0], 0), "operation": (name, order)})
            for order, name in enumerate(OPERATIONS)
        ]
        reads = [Option(f"reads {x}", {"state": (x, x)}) for x in range(self.depth)]
        return (*operations, Option("stop", {"kind": ("stop", 0)}), *reads)


SPACES.register("block-qnn")(
    SpaceFactory(
        partial(BlockQNNSpace, 8, 1, 8, "block-qnn"),
        "digits",
        (3, 32, 32),
        "The block of BlockQNN, which is stacked to a network.",
    )
)
