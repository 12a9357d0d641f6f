"""Recreate files of nas_env/data: `python -m scripts.data NAME [OPTIONS]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scripts.run_by_name import run_by_name

NAMES = ("datasets", "nasbench_tables", "chain_bench")


def main(words: Sequence[str]) -> int:
    """Make files and return the exit code.

    Args:
        words: Name of the module, then its options.
    """
    modules = {name: f"scripts.data.{name}" for name in NAMES}
    return run_by_name("python -m scripts.data", "name", modules, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
