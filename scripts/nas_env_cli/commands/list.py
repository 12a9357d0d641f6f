"""List the registered names: a table with one line for each name.

Example: nas-env list spaces
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Sequence

from nas_env.errors import MissingDependencyError
from nas_env_cli.catalogue import KINDS, Kind

UNLIMITED = 10_000  # columns: no line is shortened in a file or a pipe


def table(kind: Kind, columns: int) -> str:
    """Return the lines of a kind: each name with one sentence."""
    names = kind.names()
    width = max(map(len, names), default=0)
    room = max(20, columns - width - 4)
    lines = []
    for name in names:
        text = textwrap.shorten(kind.describe(name), room, placeholder=" ...")
        lines.append(f"  {name:<{width}}  {text}")
    return "\n".join(lines)


def run(plurals: Sequence[str], columns: int) -> int:
    """Print the tables of some kinds and return the exit code."""
    if len(plurals) == 1:
        try:
            print(table(KINDS[plurals[0]], columns))
        except MissingDependencyError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    else:
        print("\n\n".join(f"{plural}\n{table_or_reason(plural, columns)}" for plural in plurals))
    print("\nnas-env describe NAME shows one of them.", file=sys.stderr)
    return 0


def table_or_reason(plural: str, columns: int) -> str:
    """Return the lines of a kind, or the error about a missing package."""
    try:
        return table(KINDS[plural], columns)
    except MissingDependencyError as error:
        return f"  {error}"


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    parser = argparse.ArgumentParser(
        "nas-env list",
        description="List the registered names, plug-ins included: one line for each name.",
        epilog="example: nas-env list spaces",
    )
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"one of {', '.join(KINDS)}; default: all"
    )
    kinds = parser.parse_args(list(arguments)).kinds
    for kind in kinds:
        if kind not in KINDS:
            from nas_env.registry import unknown_name

            print(f"error: {unknown_name('kind', kind, KINDS)}", file=sys.stderr)
            return 2
    terminal = shutil.get_terminal_size().columns
    return run(kinds or list(KINDS), terminal if sys.stdout.isatty() else UNLIMITED)
