"""Parsing of docstrings into a summary and sections."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

HEADINGS = (
    "Args|Attributes|Columns|Decisions|Episode end|Examples?|Observation|Raises|References?|"
    "Returns|Reward|Yields"
)
HEADING = re.compile(rf"({HEADINGS}):(?: (.*))?$")
ARGUMENT = re.compile(r"[a-z]\w*: ")  # at the beginning of a line of "Args"
END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"])")  # of a sentence
NAMED = re.compile(r"`[\w-]+`: (.*)", re.DOTALL)  # "`chain`: convolutional networks ..."


@dataclass(frozen=True)
class Docstring:
    """A docstring in parts.

    Attributes:
        summary: Text before the first section.
        sections: Heading to text, such as "Decisions" or "Example".
    """

    summary: str
    sections: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Docstring:
        r"""Return the parts of a docstring in Google's style.

        Example:
            >>> Docstring.parse("Add.\n\nReward: the sum\n    of both.").sections
            {'Reward': 'the sum of both.'}
        """
        summary: list[str] = []
        sections: dict[str, list[str]] = {}
        current = summary
        for line in inspect.cleandoc(text).splitlines():
            if (match := HEADING.match(line)) is not None:
                current = sections.setdefault(match[1], [])
                current.append(match[2] or "")
            elif line[:1].strip() and not (current and current[-1].strip()):
                if (
                    current is not summary
                ):  # not indented, after a blank line: the section has ended
                    current = summary
                    summary.append("")
                summary.append(line)
            else:
                current.append(line)
        return cls(_unwrapped("\n".join(summary)), {x: _text(x, y) for x, y in sections.items()})

    @classmethod
    def of(cls, entry: Any) -> Docstring:
        """Return the parsed docstring of a class, a function or a partial."""
        return cls.parse(inspect.getdoc(plain(entry)) or "")


def plain(entry: Any) -> Any:
    """Return the class or function inside partials."""
    while isinstance(entry, partial):
        entry = entry.func
    return entry


def module_docstring(entry: Any) -> Docstring:
    """Return the parsed docstring of the module that defines an entry."""
    module = sys.modules.get(getattr(plain(entry), "__module__", ""))
    return Docstring.parse(getattr(module, "__doc__", None) or "")


def sentence_case(text: str) -> str:
    """Return text without "Return " at its start, and with a capital first letter."""
    text = text.removeprefix("Return ")
    return text[:1].upper() + text[1:]


def first_sentence(text: str) -> str:
    r"""Return the first sentence of a docstring as one line, for a list.

    Example:
        >>> first_sentence("Return the digits: 8x8\nimages. More of them elsewhere.")
        'The digits: 8x8 images.'
        >>> first_sentence("`file`: a table of yours.")
        'A table of yours.'
    """
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    sentence = END.split(paragraph)[0]
    match = NAMED.match(sentence)
    return sentence_case(match[1] if match else sentence)


def _text(heading: str, lines: list[str]) -> str:
    first, rest = lines[0], inspect.cleandoc("\n" + "\n".join(lines[1:]))
    text = "\n".join(x for x in (first, rest) if x)
    if heading.startswith("Example"):
        return text
    return _unwrapped(text, lists=heading in ("Args", "Attributes"))


def _unwrapped(text: str, lists: bool = False) -> str:
    """Return text with one line for each paragraph, or for each argument of a list."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        entry = lists and ARGUMENT.match(line)
        if not lines or not lines[-1] or not line.strip() or entry:
            lines.append(line.strip())
        else:
            lines[-1] += f" {line.strip()}"
    return "\n".join(lines)
