"""Run the study behind a page of the documentation: `python -m scripts.studies PAGE [OPTIONS]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.run_by_name import run_by_name


def pages() -> list[str]:
    """Return the pages that studies make, by the names of their files in docs/."""
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/study.py"))
    return [name.replace("_", "-") for name in folders]


def main(words: Sequence[str]) -> int:
    """Run a study and return its exit code.

    Args:
        words: Name of the page, then the options of its study.
    """
    modules = {name: f"scripts.studies.{name.replace('-', '_')}.study" for name in pages()}
    return run_by_name("python -m scripts.studies", "page", modules, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
