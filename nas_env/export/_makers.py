"""Writes one function or class for each structure that a network repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nas_env.export._forward import Forward
from nas_env.export._layout import Call, lay_out, statement
from nas_env.export._parts import TENSORS, Part, joined, sequence
from nas_env.export._trace import Block
from nas_env.export._unify import Common, flattened, unify

SEQUENTIAL = "nn.Sequential"
ACTIVATIONS = ("elu", "gelu", "relu", "silu", "tanh")
LONG = 5  # a sequence of at least this many modules is named "body"
WELL_KNOWN = {
    "relu_depthwise_conv_norm": "separable_conv",
    "relu_depthwise_conv_norm_relu_depthwise_conv_norm": "separable_conv_twice",
    "relu_conv_norm_relu_conv_norm": "relu_conv_norm_twice",
    "conv_norm_relu_depthwise_norm_relu_conv_norm": "inverted_bottleneck",
    "depthwise_norm_relu_conv_norm": "depthwise_separable",
}
LONGEST = 40  # maximum length of a function's name


class _Helper(NamedTuple):
    """A function that makes a sequence of modules."""

    name: str
    common: Common
    runs: dict[int, int]  # number of each sequence by its identity


def form(part: Part) -> Any:
    """Return a key that is equal for modules that one function or class can make."""
    inner = tuple(form(x) for x in part.parts)
    return part.maker, len(part.settings), part.call, inner, part.block and form_of(part.block)


def form_of(block: Block) -> Any:
    """Return a key that is equal for blocks of one class."""
    values = [name for name, _ in block.inputs] + [step.value for step in block.steps]
    steps = [
        (step.part and form(step.part), step.template, tuple(map(values.index, step.reads)))
        for step in block.steps
    ]
    return block.name, tuple(read for _, read in block.inputs), tuple(steps)


def inside(block: Block) -> Iterator[Block]:
    """Yield the blocks inside a block, and finally the block itself."""
    for part in flattened(block.parts):
        if part.block is not None:
            yield from inside(part.block)
    yield block


class Makers:
    """Turns blocks into classes, and repeated sequences into functions.

    Args:
        blocks: The blocks of a network, in order; they must stay alive.

    Attributes:
        texts: The lines of each function, then of each class.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = [x for block in blocks for x in inside(block)]
        self.texts: list[list[str]] = []
        self._names: set[str] = set()
        self._helpers: dict[Any, _Helper] = {}
        self._made: dict[int, Part] = {}
        groups: dict[Any, list[Block]] = {}
        for block in self.blocks:
            groups.setdefault(form_of(block), []).append(block)
        self._write_helpers(list(groups.values()))
        for group in groups.values():
            self._write_class(group)

    def made(self, block: Block) -> Part:
        """Return the part that makes a block from its class."""
        return self._made[id(block)]

    def replaced(self, part: Part) -> Part:
        """Return a part rewritten to use the written functions and classes."""
        if part.block is not None:
            return self.made(part.block)
        if part.maker != SEQUENTIAL:
            return part
        helper = self._helpers.get(form(part))
        if helper is None:
            return sequence([self.replaced(x) for x in part.parts])
        return Part(helper.name, helper.common.settings(helper.runs[id(part)]), part.names)

    def _free(self, name: str) -> str:
        number, unique = 1, name
        while unique in self._names:
            number += 1
            unique = f"{name}{number}"
        self._names.add(unique)
        return unique

    def _write_helpers(self, groups: Sequence[Sequence[Block]]) -> None:
        """Write a function for each sequence that occurs in several places."""
        sites: Counter[Any] = Counter()
        runs: dict[Any, list[Part]] = {}
        for group in groups:
            sites.update(form(part) for part in _runs(group[0]))
            for block in group:
                for part in _runs(block):
                    runs.setdefault(form(part), []).append(part)
        for key, count in sites.items():
            if count > 1:
                common = unify([part.parts for part in runs[key]])
                name = self._free(_name(runs[key]))
                numbers = {id(part): number for number, part in enumerate(runs[key])}
                self._helpers[key] = _Helper(name, common, numbers)
                self.texts.append(_function(name, common))

    def _write_class(self, group: Sequence[Block]) -> None:
        """Write the class of all blocks of one structure."""
        name, attributes = self._free(group[0].name), attributes_of(group[0])
        parts = [
            [self.replaced(x.part) for x in block.steps if x.part is not None and not x.part.call]
            for block in group
        ]
        common = unify([flattened(x) for x in parts])
        self.texts.append(_class(name, group[0], parts[0], common))
        for number, (block, own) in enumerate(zip(group, parts, strict=True)):
            names = [
                (joined(attribute, new), old)
                for attribute, part in zip(attributes.values(), own, strict=True)
                for new, old in part.names
            ]
            self._made[id(block)] = Part(name, common.settings(number), tuple(names))


def _runs(block: Block) -> Iterator[Part]:
    """Yield the sequences of a block that contain only torch's own modules."""
    for part in block.parts:
        if part.maker == SEQUENTIAL and not any(x.block for x in part.parts):
            yield part


def attributes_of(block: Block) -> dict[str, str]:
    """Return the attribute name of each step with a module, by the step's value."""
    steps = [step for step in block.steps if step.part is not None and not step.part.call]
    if len(steps) == 1 and len(flattened(block.parts)) >= LONG:
        return {steps[0].value: "body"}
    counts, used = Counter(step.word for step in steps), Counter[str]()
    names = {}
    for step in steps:
        used[step.word] += 1
        names[step.value] = f"{step.word}{used[step.word]}" if counts[step.word] > 1 else step.word
    return names


def _name(runs: Sequence[Part]) -> str:
    """Return the name of the function that makes sequences of one structure."""
    words = []
    for parts in zip(*(run.parts for run in runs), strict=True):
        deep = all(_is_depthwise(part) for part in parts)
        words.append("depthwise" if deep else parts[0].word)
    text = "_".join(words)
    plain = "_".join("relu" if word in ACTIVATIONS else word for word in words)
    return WELL_KNOWN.get(plain, text if len(text) <= LONGEST else f"{runs[0].word}_sequence")


def _is_depthwise(part: Part) -> bool:
    settings = {x.name: x.value for x in part.settings}
    groups = settings.get("groups", 1)
    return bool(groups > 1 and groups == settings["in_channels"])


def _function(name: str, common: Common) -> list[str]:
    """Return the lines of a function that makes a sequence."""
    heading = lay_out(Call(name, tuple(common.heading)), "def ", " -> nn.Sequential:")
    text = f'    """Return {_listed([call.maker for call in common.calls])}."""'
    body = lay_out(Call(SEQUENTIAL, common.calls, one_each=True), "return ", indent=4)
    return [*heading, text, *body]


def _listed(makers: Sequence[str]) -> str:
    """Return an enumeration of modules for a sentence."""
    kinds, half = [maker.removeprefix("nn.") for maker in makers], len(makers) // 2
    twice = kinds[:half] == kinds[half:]
    kinds = kinds[:half] if twice else kinds
    text = f"{', '.join(kinds[:-1])} and {kinds[-1]}, {'twice' if twice else 'in this order'}"
    return text if len(text) < 80 else f"{len(makers)} modules, one after the other"


def assignments(names: Sequence[str], parts: Sequence[Part], calls: Sequence[Call]) -> list[str]:
    """Return the lines that assign the attributes of a module.

    Args:
        names: Names of the attributes.
        parts: Values of the attributes.
        calls: Calls that make the parts; for a sequence, one call for each module in it.
    """
    lines, rest = [], list(calls)
    for name, part in zip(names, parts, strict=True):
        count = len(part.parts) or 1
        own, rest = rest[:count], rest[count:]
        call = _in_sequence(own) if part.parts else own[0]
        if call.maker in TENSORS:
            call = Call(call.maker, (Call("torch.empty", call.arguments),))
        lines += lay_out(call, f"self.{name} = ", indent=8)
    return lines


def _in_sequence(calls: Sequence[Call]) -> Call:
    """Return a call of nn.Sequential; more than two equal modules become a generator."""
    if len(calls) > 2 and len({call.flat for call in calls}) == 1:
        return Call(SEQUENTIAL, (f"*({calls[0].flat} for _ in range({len(calls)}))",))
    return Call(SEQUENTIAL, tuple(calls), one_each=True)


def _class(name: str, block: Block, parts: Sequence[Part], common: Common) -> list[str]:
    """Return the lines of the class of a block."""
    attributes = attributes_of(block)
    forward = Forward(block, attributes)
    inputs = [f"{x}: Tensor" for x in forward.inputs]
    return [
        f"class {name}(nn.Module):",
        f'    """{describe(block)}"""',
        "",
        *lay_out(Call("__init__", ("self", *common.heading)), "def ", " -> None:", 4),
        "        super().__init__()",
        *assignments(list(attributes.values()), parts, common.calls),
        "",
        *lay_out(Call("forward", ("self", *inputs)), "def ", " -> Tensor:", 4),
        '        """Return the output of the block."""',
        *(x for line in forward.write() for x in statement(line, 8)),
    ]


def describe(block: Block) -> str:
    """Return a sentence about a block."""
    counts = Counter(_noun(part) for part in flattened(block.parts))
    phrases = [f"{count} {noun}{'s' * (count > 1)}" for noun, count in counts.items() if noun]
    return f"A block of {' and '.join(phrases)}." if phrases else "A block."


def _noun(part: Part) -> str:
    nouns = {"conv": "convolution", "linear": "fully connected layer", "pool": "pooling layer"}
    return nouns.get(part.word, "")
