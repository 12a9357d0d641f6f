"""Describe a registered name: decisions, observation, reward, end, size, reference, example.

Example: nas-env describe chain
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial

from nas_env_cli.catalogue import Kind, kinds_of, unknown
from nas_env_cli.catalogue.docstrings import ARGUMENT
from nas_env_cli.interrupts import exit_code

COLUMNS = 100


def shown(kind: Kind, name: str) -> str:
    """Return the description of a name as text."""
    from nas_env_cli.catalogue.pages import page

    text, sections = page(kind, name)
    return "\n".join([f"{name} ({kind.name})", "", _wrapped(text), "", _listed(sections)])


def run(name: str) -> int:
    """Print the descriptions of a name, one for each kind of entry; return the exit code.

    Raises:
        UnknownNameError: Nothing has this name; the message suggests close matches.
    """
    matches = kinds_of(name)
    if not matches:
        raise unknown(name)
    print(f"\n{'-' * COLUMNS}\n".join(shown(kind, name) for kind in matches))
    if len(matches) > 1:
        kinds = ", ".join(kind.name for kind in matches)
        print(f"{len(matches)} entries are named {name!r}: {kinds}.", file=sys.stderr)
    return 0


def _listed(sections: Mapping[str, str]) -> str:
    """Return headings and texts in two columns."""
    width = max(map(len, sections), default=0)
    lines = []
    for heading, text in sections.items():
        first, *rest = _wrapped(text, COLUMNS - width - 2).splitlines() or [""]
        lines.append(f"{heading:<{width}}  {first}".rstrip())
        lines += [f"{'':<{width}}  {line}".rstrip() for line in rest]
    return "\n".join(lines)


def _wrapped(text: str, columns: int = COLUMNS) -> str:
    """Return text with long lines wrapped; continuation lines of an argument are indented."""
    lines: list[str] = []
    for line in text.splitlines():
        indent = "    " if ARGUMENT.match(line) else ""
        broken = textwrap.wrap(
            line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        lines += broken or [""]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    parser = argparse.ArgumentParser(
        "nas-env describe",
        description="Describe a registered name. nas-env list shows all names.",
        epilog="example: nas-env describe NASBench201-v0",
    )
    parser.add_argument(
        "name", help="a search space, task, agent, evaluator, objective or environment"
    )
    return exit_code(partial(run, parser.parse_args(list(arguments)).name))
