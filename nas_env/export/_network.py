"""The class of the whole network: a line in `__init__` and in `forward` for each layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from nas_env.architecture import Architecture
from nas_env.export._forward import Forward
from nas_env.export._makers import Makers, assignments
from nas_env.export._parts import Part, joined, sequence, snake
from nas_env.export._trace import Block, Step, trace
from nas_env.export._unify import flattened, unify
from nas_env.graph_module import GraphModule
from nas_env.layers import layer_type
from nas_env.network import place
from nas_env.tasks.base import TaskSpec

FEW = 4  # a layer of at most this many modules is inlined into the network class
HEAD = "classifier"


@dataclass(frozen=True)
class _Unit:
    """A layer of the architecture: its computation, the nodes it reads, and its name."""

    block: Block
    reads: tuple[int, ...]
    word: str

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.block.steps

    @property
    def chain(self) -> tuple[Part, ...] | None:
        """Its modules if they form a chain, else None."""
        step = self.steps[0] if len(self.steps) == 1 else None
        if step is None or step.part is None or len(step.reads) != 1:
            return None
        return step.part.parts or (step.part,)

    @property
    def spelt_out(self) -> bool:
        """Whether the layer is inlined, without a separate class."""
        if self.chain is None:
            return not self.block.parts
        blocks = [part.block is not None for part in self.chain]
        return all(blocks) or (not any(blocks) and len(self.chain) <= FEW)


@dataclass(frozen=True)
class Written:
    """A network as source.

    Attributes:
        makers: The lines of each function and class that the networks written together use.
        init: The lines of `__init__` that make the layers.
        forward: The statements of `forward`.
        entry: Name of the input of `forward`.
        names: Maps each name in its state dict to the searched network's name; without the last
            word, such as "weight".
    """

    makers: list[list[str]]
    init: list[str]
    forward: list[str]
    entry: str
    names: dict[str, str]


def units_of(architecture: Architecture, spec: TaskSpec, network: nn.Module) -> list[_Unit]:
    """Return the built layers of an architecture; the classifier is the last.

    Layers whose output is not read are left out.
    """
    nodes = network.nodes if isinstance(network, GraphModule) else network
    prefix = "nodes." if isinstance(network, GraphModule) else ""
    units = []
    for index, x in enumerate(place(architecture, spec)):
        name = type(layer_type(x.layer)).__name__
        block = trace(nodes[index], len(x.reads), f"{prefix}{index}", name)  # type: ignore[index]
        read = [node for node, (_, is_read) in zip(x.reads, block.inputs, strict=True) if is_read]
        units.append(_Unit(block, tuple(read), _word(x.layer.kind)))
    return _without_unread(units)


def _word(kind: str) -> str:
    last = kind.rpartition("-")[2]
    return last if last in ("cell", "block") else snake(kind)


def _without_unread(units: list[_Unit]) -> list[_Unit]:
    """Return the units whose output is used, with the nodes renumbered."""
    used = {len(units)}
    for index in range(len(units), 0, -1):
        if index in used:
            used.update(units[index - 1].reads)
    kept = [0, *(node for node in range(1, len(units) + 1) if node in used)]
    number = {node: place for place, node in enumerate(kept)}
    return [
        _Unit(x.block, tuple(number[node] for node in x.reads), x.word)
        for x in (units[node - 1] for node in kept[1:])
    ]


def write_networks(networks: Sequence[Sequence[_Unit]]) -> list[Written]:
    """Return the source of networks that share their functions and classes."""
    every = [unit for units in networks for unit in units]
    makers = Makers([block for unit in every for block in _classes(unit)])
    return [_Writer(units, makers).write() for units in networks]


def _classes(unit: _Unit) -> list[Block]:
    """Return the blocks that need a class: the unit's block, or the blocks of its chain."""
    if not unit.spelt_out:
        return [unit.block]
    return [part.block for part in unit.chain or () if part.block is not None]


class _Writer:
    def __init__(self, units: Sequence[_Unit], makers: Makers) -> None:
        self.units, self.makers = units, makers
        self.taken: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.attributes: list[str] = []
        self.parts: list[Part] = []
        self.forward: list[str] = []
        readers = [
            {n for n, x in enumerate(units) if node in x.reads} for node in range(len(units))
        ]
        # a value that only the next layer reads is called x
        self.variables = ["x" if reading <= {node} else "" for node, reading in enumerate(readers)]
        self.entry = self.variables[0] = self.variables[0] or "inputs"

    def write(self) -> Written:
        for index, unit in enumerate(self.units):
            self._unit(index, unit)
        return Written(
            self.makers.texts, self._init(), self.forward, self.entry, dict(self._names())
        )

    def _init(self) -> list[str]:
        calls = unify([flattened(self.parts)]).calls
        return assignments(self.attributes, self.parts, calls)

    def _names(self) -> list[tuple[str, str]]:
        pairs = zip(self.attributes, self.parts, strict=True)
        return [(joined(name, new), old) for name, part in pairs for new, old in part.names]

    def _unit(self, index: int, unit: _Unit) -> None:
        head = index == len(self.units) - 1
        reads = [self.variables[node] for node in unit.reads]
        text, name = self._expression(unit, reads, head)
        if head:
            self.forward.append(f"return {text}")
            return
        variable = self.variables[index + 1] or self._take_variable(name)
        self.variables[index + 1] = variable
        if text != variable:
            self.forward.append(f"{variable} = {text}")

    def _expression(self, unit: _Unit, reads: list[str], head: bool) -> tuple[str, str]:
        """Return the expression of a layer, and the name of its main attribute."""
        if not unit.spelt_out:
            return self._call(unit.word, self.makers.made(unit.block), reads)
        if unit.chain is None:
            return self._inlined(unit, reads)
        if unit.chain[0].block is not None:
            part = sequence([self.makers.replaced(x) for x in unit.chain])
            return self._call(unit.word, part, reads)
        return self._chain(unit, reads[0], head)

    def _call(self, word: str, part: Part, reads: Sequence[str]) -> tuple[str, str]:
        self.counts[word] += 1
        name = self._attribute(word, self.counts[word], part)
        return f"self.{name}({', '.join(reads)})", name

    def _chain(self, unit: _Unit, text: str, head: bool) -> tuple[str, str]:
        """Return the nested calls of a chain of modules, and its name; all share one number."""
        chain = unit.chain or ()
        modules = [part for part in chain if not part.call]
        main = next((x for x in modules if x.word in ("conv", "linear")), (modules or chain)[0])
        word = "batch_norm" if main.word == "norm" else main.word  # "norm" follows a convolution
        self.counts[word] += 1
        number, name = self.counts[word], f"{word}{self.counts[word]}"
        for part in chain:
            if part.call:
                text = part.call.format(text)
                continue
            fixed_name = HEAD if head and part is main else None
            own = word if part is main else part.word
            attribute = self._attribute(own, number, part, fixed_name)
            name = attribute if part is main else name
            text = f"self.{attribute}({text})"
        return text, name

    def _inlined(self, unit: _Unit, reads: Sequence[str]) -> tuple[str, str]:
        """Return the expression of a layer without modules."""
        self.counts[unit.word] += 1
        statements = Forward(unit.block, {}, self.variables).write(reads)
        self.forward += statements[:-1]
        return statements[-1].removeprefix("return "), f"{unit.word}{self.counts[unit.word]}"

    def _attribute(self, word: str, number: int, part: Part, name: str | None = None) -> str:
        attribute = name or f"{word}{number}"
        while attribute in self.taken:
            number += 1
            attribute = f"{word}{number}"
        self.taken.add(attribute)
        self.attributes.append(attribute)
        self.parts.append(part)
        return attribute

    def _take_variable(self, name: str) -> str:
        taken, number, variable = set(self.variables), 1, name
        while variable in taken:
            number += 1
            variable = f"{name}_{number}"
        return variable
