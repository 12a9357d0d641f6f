"""Writes the statements of a `forward` method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nas_env.export._trace import ANY, ATOM, Block, Step

LONG = 72  # characters of an expression that stays on one line


@dataclass(frozen=True)
class _Expression:
    """The source of an expression, and the precedence of its last operator."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"


class Forward:
    """Writes the computation of a block as statements.

    A value that is read once is inlined into the expression that reads it, if the line stays short
    and the order of computation does not change. Dropout then draws the same random numbers.

    Args:
        block: The computation.
        attributes: Name of the attribute of each step with a module, by the step's value. Modules
            written as function calls need no name.
        reserved: Names that variables must not have.
    """

    def __init__(
        self, block: Block, attributes: Mapping[str, str], reserved: Iterable[str] = ()
    ) -> None:
        self.block, self.attributes = block, attributes
        self.readers = Counter(value for step in block.steps for value in step.reads)
        self.expressions: dict[str, _Expression] = {}
        self.waiting: list[str] = []
        self.counts: Counter[str] = Counter()
        self.taken = {*self.inputs, *reserved}
        self.lines: list[str] = []

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs that are read."""
        read = [name for name, is_read in self.block.inputs if is_read]
        return ["x"] if len(read) == 1 else [f"x{number}" for number in range(1, len(read) + 1)]

    def write(self, inputs: Sequence[str] | None = None) -> list[str]:
        """Return the statements without indentation; the last one is a return statement.

        Args:
            inputs: Names of the inputs that are read; None: those of the property `inputs`.
        """
        read = [name for name, is_read in self.block.inputs if is_read]
        for value, name in zip(read, inputs or self.inputs, strict=True):
            self.expressions[value] = _Expression(name)
        for step in self.block.steps:
            self._step(step)
        self.lines.append(f"return {self.expressions[self.block.output].text}")
        return self.lines

    def _step(self, step: Step) -> None:
        """Write a step, or keep its expression to inline it into the step that reads it."""
        if step.part is not None and not step.reads:  # a weight
            self.expressions[step.value] = _Expression(f"self.{self.attributes[step.value]}")
            return
        inlined = [x for x in step.reads if x in self.waiting]
        expression = self._expression(step)
        long = len(expression.text) > LONG
        if inlined and (long or inlined != self.waiting[-len(inlined) :]):
            self._flush()  # else the values that wait between them would be computed after them
            inlined, expression = [], self._expression(step)
        self.waiting = self.waiting[: len(self.waiting) - len(inlined)]
        self.expressions[step.value] = expression
        last = step.value == self.block.output
        if not last and self.readers[step.value] != 1:
            self._flush()
            self._name(step.value)
        elif not last:
            self.waiting.append(step.value)

    def _flush(self) -> None:
        """Assign every waiting value to a variable."""
        for value in self.waiting:
            self._name(value)
        self.waiting.clear()

    def _name(self, value: str) -> None:
        step = next(x for x in self.block.steps if x.value == value)
        name = self.attributes.get(value)
        while name is None or name in self.taken:
            self.counts[step.word] += 1
            name = f"{step.word}{self.counts[step.word]}"
        self.taken.add(name)
        self.lines.append(f"{name} = {self.expressions[value].text}")
        self.expressions[value] = _Expression(name)

    def _expression(self, step: Step) -> _Expression:
        operands = [self.expressions[x] for x in step.reads]
        if step.part is None:
            return _Expression(_filled(step, operands), step.level)
        call = step.part.call
        if call is not None:
            method = call.startswith("{0}")
            return _Expression(call.format(operands[0].at(ATOM if method else ANY)))
        attribute = f"self.{self.attributes[step.value]}"
        return _Expression(f"{attribute}({', '.join(x.text for x in operands)})")


def _filled(step: Step, operands: Sequence[_Expression]) -> str:
    """Return a step's expression with its operands, with parentheses if needed."""
    texts = []
    for place, operand in enumerate(operands):
        leads = place == 0 and step.template.startswith("{0}")
        if step.level == ATOM:
            least = ATOM if leads else ANY
        else:
            least = step.level if leads else step.level + 1
        texts.append(operand.at(least))
    return step.template.format(*texts)
