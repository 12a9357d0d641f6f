"""Write the leaderboard's page and figures from a file of results.

Example: python scripts/leaderboard.py docs/leaderboard/best.parquet
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from agents.benchmark.page import TITLE, write_page
from agents.benchmark.results import incumbents, read_results, write_results
from agents.benchmark.statistics import REPEATS
from nas_env.errors import NASError

PAGE = Path(__file__).parents[1] / "docs" / "leaderboard.md"


@dataclass(frozen=True)
class Options:
    """Write the leaderboard's page and figures from a file of results."""

    file: Annotated[Path, tyro.conf.Positional]
    """results.parquet or best.parquet of a benchmark; both make the same page."""
    page: Path = PAGE
    """The page; figures and best.parquet go into the folder of its name."""
    repeats: int = REPEATS
    """Bootstrap samples of an interval."""
    title: str = TITLE
    """Title of the page."""


def main(options: Options) -> int:
    """Write everything and return the exit code."""
    try:
        table, settings = read_results(options.file)
        kept = options.page.with_suffix("") / "best.parquet"
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_results(kept, [incumbents(table)], settings)
        paths = write_page(table, settings, options.page, kept, options.repeats, options.title)
    except NASError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path in (kept, *paths):
        print(f"Written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=Options.__doc__)))
