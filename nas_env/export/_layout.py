"""Lays out calls and function headings in the style of `ruff format`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 100
SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Call:
    """A call, such as nn.Conv2d(3, 16, kernel_size=3).

    Attributes:
        maker: Source of the callable.
        arguments: Texts or calls.
        one_each: Whether each argument gets a separate line, even if all would fit on one.
        brackets: Brackets around the arguments.
    """

    maker: str
    arguments: tuple[str | Call, ...] = ()
    one_each: bool = False
    brackets: str = "()"

    @property
    def flat(self) -> str:
        """The call on one line."""
        first, last = tuple(self.brackets)
        return f"{self.maker}{first}{', '.join(map(flat, self.arguments))}{last}"

    @property
    def tall(self) -> bool:
        """Whether the call must be split over several lines."""
        return self.one_each or any(isinstance(x, Call) and x.tall for x in self.arguments)


def flat(item: str | Call) -> str:
    """Return a text or a call on one line."""
    return item if isinstance(item, str) else item.flat


def lay_out(call: str | Call, before: str = "", after: str = "", indent: int = 0) -> list[str]:
    """Return the lines of a call, of at most 100 characters if it can be split.

    Args:
        call: The call, or a text that is not split.
        before: Text before the call on its first line.
        after: Text after the call on its last line.
        indent: Number of spaces before each line.
    """
    margin = " " * indent
    line = f"{margin}{before}{flat(call)}{after}"
    if isinstance(call, str) or (len(line) <= WIDTH and not call.tall):
        return [line]
    first, last = tuple(call.brackets)
    return [
        f"{margin}{before}{call.maker}{first}",
        *_arguments(call, indent + 4),
        f"{margin}{last}{after}",
    ]


def _arguments(call: Call, indent: int) -> Iterator[str]:
    line = " " * indent + ", ".join(map(flat, call.arguments))
    if not call.tall and len(line) <= WIDTH and call.brackets == "()":
        yield line
        return
    for argument in call.arguments:
        yield from lay_out(argument, after=",", indent=indent)


def statement(line: str, indent: int) -> list[str]:
    """Return the lines of a return statement or an assignment.

    Args:
        line: The statement on one line; it contains names, numbers, calls and sums.
        indent: Number of spaces before each line.
    """
    if line.startswith("return "):
        before, text = "return ", line.removeprefix("return ")
    else:
        name, _, text = line.partition(" = ")
        before = f"{name} = "
    margin = " " * indent
    if len(margin + before + text) <= WIDTH:
        return [margin + before + text]
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.BinOp):
        terms = [f"{margin}    {term}" for term in _terms(node, text)]
        return [f"{margin}{before}(", *terms, f"{margin})"]
    return lay_out(_cut(node, text), before, indent=indent)


def _cut(node: ast.expr, text: str) -> str | Call:
    """Return an expression, split at its brackets."""
    if isinstance(node, ast.Call):
        keywords = [f"{x.arg}={_source(x.value, text)}" for x in node.keywords]
        return Call(_source(node.func, text), (*(_cut(x, text) for x in node.args), *keywords))
    if isinstance(node, ast.List):
        return Call("", tuple(_cut(x, text) for x in node.elts), brackets="[]")
    return _source(node, text)


def _terms(node: ast.BinOp, text: str) -> list[str]:
    """Return the terms of a sum, each except the first with its sign before it."""
    left, right = node.left, _source(node.right, text)
    same = isinstance(left, ast.BinOp) and type(left.op) is type(node.op)
    first = _terms(left, text) if isinstance(left, ast.BinOp) and same else [_source(left, text)]
    if isinstance(node.right, ast.BinOp):
        right = f"({right})"
    return [*first, f"{SIGNS[type(node.op)]} {right}"]


def _source(node: ast.expr, text: str) -> str:
    return ast.get_source_segment(text, node) or ast.unparse(node)


def numbers(name: str, values: Sequence[str], before: str, after: str) -> list[str]:
    """Return the lines that assign a list of numbers or words; a long list fills its lines."""
    line = f"{name} = {before}[{', '.join(values)}]{after}"
    if len(line) <= WIDTH:
        return [line]
    lines, row = ["# fmt: off", f"{name} = {before}["], "   "
    for value in values:
        if len(row) + len(value) + 2 > WIDTH:
            lines.append(row)
            row = "   "
        row += f" {value},"
    return [*lines, row, f"]{after}", "# fmt: on"]


def literal(value: Any) -> str:
    r"""Return a value as source.

    Text gets the quotes that need fewer escapes. Text with unprintable characters or line breaks is
    escaped.

    Example:
        >>> print(literal('a "b"'), literal("it's"), literal("two\nlines"), literal("Käse"))
        'a "b"' "it's" "two\nlines" "Käse"
    """
    if not isinstance(value, str):
        return repr(value)
    text = value.encode("unicode_escape").decode("ascii")
    if value.isprintable():
        text = value.replace("\\", "\\\\")
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + text.replace(quote, f"\\{quote}") + quote
