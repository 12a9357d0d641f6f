"""Run the study behind a page of the documentation: `python -m scripts.studies PAGE [OPTIONS]`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import tyro

from nas_env_cli.interrupts import exit_code


def pages() -> list[str]:
    """Return the pages that a study makes, by the names of their files in docs/."""
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/study.py"))
    return [name.replace("_", "-") for name in folders]


def main(words: Sequence[str]) -> int:
    """Run a study and return its exit code.

    Args:
        words: Name of the page, then the options of its study.
    """
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: python -m scripts.studies PAGE [OPTIONS]\n\npages: {', '.join(pages())}")
        return 0
    name, *rest = words
    if name not in pages():
        print(f"error: Unknown page {name!r}. Known: {', '.join(pages())}.", file=sys.stderr)
        return 2
    study = importlib.import_module(f"scripts.studies.{name.replace('-', '_')}.study")
    options = tyro.cli(
        study.Options,
        args=rest,
        prog=f"python -m scripts.studies {name}",
        description=inspect.cleandoc(study.Options.__doc__ or ""),
    )
    return exit_code(partial(study.run, options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
