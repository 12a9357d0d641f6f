"""`nasnet-cell`: a normal and a reduction cell, after Zoph et al.

Reference: Zoph, Vasudevan, Shlens, Le, "Learning Transferable Architectures for Scalable Image
Recognition", CVPR 2018 (section 3, figures 2 and 3).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple, cast

from nas_env.architecture import Architecture, Shape
from nas_env.layers.composite import params_along
from nas_env.layers.nasnet import (
    INPUTS,
    OPERATIONS,
    Block,
    cell_text,
    operation_chain,
)
from nas_env.layers.residual import relu_conv_bn
from nas_env.skeletons import stem
from nas_env.skeletons.nasnet import NORMAL, REDUCTION, NASNetSkeleton, sequence
from nas_env.spaces._image import ImageSpace
from nas_env.spaces.base import SPACES, Choice, Option, SpaceFactory, Walk

CELLS = ("normal", "reduction")


@dataclass(frozen=True)
class CellGrammar:
    """The grammar of a pair of cells, and the network around them.

    Attributes:
        operations: Available operations, names in `nas_env.layers.nasnet.OPERATIONS`.
        combines: Available combinations of two results; if there is only one, it is not a decision.
        blocks: Number of blocks in a cell.
        steps: The decisions of a block, in this order.
        repeats: N, the number of normal cells in each of the three stages.
        channels: F, the channels of the first stage; each reduction doubles them.
    """

    operations: tuple[str, ...]
    combines: tuple[str, ...]
    blocks: int
    steps: tuple[str, ...]
    repeats: int
    channels: int


NASNET = CellGrammar(
    operations=OPERATIONS,
    combines=("add", "concat"),
    blocks=5,
    steps=("state 1", "state 2", "operation 1", "operation 2", "combination"),
    repeats=2,
    channels=4,
)


class CellState(NamedTuple):
    """State of a walk: cell, block and step, and the information for the parameter count.

    `read` has one bit per block, set if another block reads it. `inputs` has one bit per state of
    the current block, set if the state is an input of the cell.
    """

    cell: int
    block: int
    step: int
    read: int = 0
    inputs: tuple[bool, bool] = (False, False)


class NASNetSpace(ImageSpace):
    """Decide the blocks of a normal cell, then those of a reduction cell.

    Decisions: for each block its two input states (0 the cell before the last, 1 the last cell,
        then the earlier blocks), an operation on each, and the combination of the results; one
        number for each state, operation and combination. The network: a 3x3 convolution, three
        stages of N normal cells, between the stages a reduction cell with stride 2 and twice the
        channels, ReLU and global average pooling. Blocks that no block reads are concatenated along
        the channels.
    Observation: given by the environment; the state is the next step, the blocks that are already
        read, and whether the current block reads inputs of the cell. `project` keeps only the next
        step: 51 states for NASNet.
    Reward: given by the environment.
    Episode end: the last decision of the reduction cell.
    Reference: Zoph et al., CVPR 2018. N = 2 as in their search, F = 4 for small data (32 in the
        paper); without ScheduledDropPath and the auxiliary head.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("nasnet-cell")(input_shape=(3, 32, 32), num_outputs=10)
        >>> space.max_length, space.num_decisions
        (50, 21)
    """

    def __init__(
        self,
        grammar: CellGrammar,
        name: str,
        input_shape: Shape,
        num_outputs: int,
        max_params: int | None = None,
    ) -> None:
        super().__init__(name, input_shape, num_outputs, max_params)
        self.grammar = grammar
        self.states = INPUTS + grammar.blocks - 1  # no block reads the last one
        self.combining = len(grammar.combines) > 1
        extra = len(grammar.combines) if self.combining else 0
        self.num_decisions = self.states + len(grammar.operations) + extra
        self.max_length = len(CELLS) * grammar.blocks * len(grammar.steps)
        self.feature_names = ("cell", "block", "step", "blocks read", "input 1", "input 2")

    def start(self) -> CellState:
        """Return the state of the empty cell."""
        return CellState(NORMAL, 0, 0)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the choice of the next step; None after the last block of the reduction cell."""
        state = cast(CellState, state)
        if state.cell == len(CELLS):
            return None
        step = self.grammar.steps[state.step]
        legal = self._offers(step)
        if step.startswith("state"):
            legal = legal[: INPUTS + state.block]
        name = f"{CELLS[state.cell]} cell, block {state.block + 1}: {step}"
        return Choice(name, tuple(legal), self._options)

    def follow(self, state: Hashable, decision: int) -> CellState:
        """Return the state after a legal decision."""
        state = cast(CellState, state)
        step, flags, read = self.grammar.steps[state.step], list(state.inputs), state.read
        if step != "combination":
            which = int(step[-1]) - 1
            flags[which] = step.startswith("state") and decision < INPUTS
        if step.startswith("state") and decision >= INPUTS:
            read |= 1 << (decision - INPUTS)
        if state.step + 1 < len(self.grammar.steps):
            return state._replace(step=state.step + 1, inputs=(flags[0], flags[1]), read=read)
        if state.block + 1 < self.grammar.blocks:
            return CellState(state.cell, state.block + 1, 0, read)
        return CellState(state.cell + 1, 0, 0)

    def partial(self, walk: Walk) -> Architecture:
        """Return the whole network, with only the blocks decided so far in its cells."""
        blocks = [tuple(self._blocks(walk, cell)) for cell in range(len(CELLS))]
        default = Block((0, 1), ("identity", "identity"), "add")
        texts = tuple(cell_text(decided or (default,)) for decided in blocks)
        return NASNetSkeleton(texts, self.grammar.repeats, self.grammar.channels).stack()

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters that a decision adds to all cells.

        The last decision of a cell includes the convolutions that adapt its output for the next
        cells. That of the normal cell also includes the classifier, that of the reduction cell the
        stem.
        """
        state = cast(CellState, state)
        step = self.grammar.steps[state.step]
        total = 0
        if step.startswith("operation"):
            name = self.grammar.operations[decision - self.states]
            strided = state.cell == REDUCTION and state.inputs[int(step[-1]) - 1]
            total += self._everywhere(state.cell, name, 2 if strided else 1)
        if step == "combination" and self._combine(decision) == "concat":
            total += self._everywhere(state.cell, "concat", 1)
        after = self.follow(state, decision)
        if after.cell > state.cell:
            total += self._outside(state.cell, self.grammar.blocks - state.read.bit_count())
        return total

    def project(self, state: Hashable) -> tuple[int, int, int]:
        """Return cell, block and step."""
        state = cast(CellState, state)
        return state.cell, state.block, state.step

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the progress of the walk, the share of blocks read, and the block's inputs."""
        state = cast(CellState, state)
        return (
            state.cell / len(CELLS),
            state.block / self.grammar.blocks,
            state.step / len(self.grammar.steps),
            state.read.bit_count() / self.grammar.blocks,
            *map(float, state.inputs),
        )

    def _combine(self, decision: int) -> str:
        return self.grammar.combines[decision - self.states - len(self.grammar.operations)]

    def _offers(self, step: str) -> range:
        """Return the decisions of a step."""
        first = self.states + len(self.grammar.operations)
        if step.startswith("state"):
            return range(self.states)
        return (
            range(self.states, first) if step != "combination" else range(first, self.num_decisions)
        )

    def _blocks(self, walk: Walk, cell: int) -> Iterator[Block]:
        """Yield the complete blocks of a cell."""
        length = len(self.grammar.steps)
        begin = cell * self.grammar.blocks * length
        end = min(len(walk), begin + self.grammar.blocks * length)
        for start in range(begin, end - length + 1, length):
            choices = dict(zip(self.grammar.steps, walk[start : start + length], strict=True))
            names = [
                self.grammar.operations[choices[f"operation {i}"] - self.states] for i in (1, 2)
            ]
            combine = self._combine(choices["combination"]) if self.combining else "add"
            yield Block((choices["state 1"], choices["state 2"]), (names[0], names[1]), combine)

    def _widths(self, cell: int) -> list[int]:
        """Return the channels of all cells of a kind in the network."""
        first, repeats = self.grammar.channels, self.grammar.repeats
        if cell == REDUCTION:
            return [2 * first, 4 * first]
        return [width for width in (first, 2 * first, 4 * first) for _ in range(repeats)]

    def _everywhere(self, cell: int, operation: str, stride: int) -> int:
        """Return the parameters of an operation in all cells of a kind."""
        return sum(_params(operation, width, stride) for width in self._widths(cell))

    def _outside(self, cell: int, unread_blocks: int) -> int:
        """Return the parameters outside the blocks that are charged to a kind of cell."""
        return self._adapters[cell][unread_blocks]

    @cached_property
    def _adapters(self) -> list[dict[int, int]]:
        """Parameters outside the blocks, by the kind of cell and its number of unread blocks."""
        return [
            {u: self._due(cell, u) for u in range(1, self.grammar.blocks + 1)} for cell in (0, 1)
        ]

    def _due(self, cell: int, unread_blocks: int) -> int:
        """Return the parameters of a kind of cell's adapters, and of the classifier or stem."""
        due, first = 0, self.grammar.channels
        outputs: list[tuple[int | None, int, int]] = [(None, first, 0)] * 2  # kind, channels, stage
        stage = 0
        for kind, width in sequence(self.grammar.repeats, first):
            for source, channels, level in outputs:
                wide = channels * (unread_blocks if source == cell else 1)
                responsible = REDUCTION if source is None else source
                adapted = wide != width or (level != outputs[-1][2] and self._shrinks(level))
                if responsible == cell and adapted:
                    due += params_along(relu_conv_bn(width, 1), (wide, 1, 1))
            stage += kind == REDUCTION
            outputs = [outputs[1], (kind, width, stage)]
        if cell == NORMAL:
            return due + params_along((self.head,), (unread_blocks * 4 * first,))
        return due + params_along((stem(first),), self.input_shape)

    def _shrinks(self, stage: int) -> bool:
        """Whether the reduction after a stage makes the map smaller."""
        sides = self.input_shape[1:]
        before = [-(-side // 2**stage) for side in sides]
        return any(side > 1 for side in before)

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        def options(label: str, names: Sequence[object], field: str) -> list[Option]:
            return [Option(f"{label}{x}", {field: (str(x), i)}) for i, x in enumerate(names)]

        all_options = options("state ", range(self.states), "state")
        all_options += options("", self.grammar.operations, "operation")
        if self.combining:
            all_options += options("", self.grammar.combines, "combination")
        return tuple(all_options)


@lru_cache(maxsize=10_000)
def _params(operation: str, channels: int, stride: int) -> int:
    if operation == "concat":
        return params_along(relu_conv_bn(channels, 1), (2 * channels, 1, 1))
    return params_along(operation_chain(operation, channels, stride), (channels, 1, 1))


SPACES.register("nasnet-cell")(
    SpaceFactory(
        partial(NASNetSpace, NASNET, "nasnet-cell"),
        "digits",
        (3, 32, 32),
        "The normal and the reduction cell of NASNet.",
    )
)
