"""Write the leaderboard's page and figures from files of results.

Example: nas-env leaderboard docs/leaderboard/best.parquet
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.joined import Results, join
from nas_env_cli.benchmark.page import TITLE, write_page
from nas_env_cli.benchmark.results import incumbents, read_results, write_results
from nas_env_cli.benchmark.statistics import REPEATS
from nas_env_cli.interrupts import exit_code

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "leaderboard"


@dataclass(frozen=True)
class Options:
    """Write the leaderboard's page and figures from files of results."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """results.parquet or best.parquet of a benchmark; both make the same page. Several, whose
    limits are the same: all their runs on one page."""
    page: Path | None = None
    """The page; figures and best.parquet go into the folder of its name. Left out: leaderboard.md
    beside the file, of docs/leaderboard/best.parquet docs/leaderboard.md; needed for several."""
    repeats: int = REPEATS
    """Bootstrap samples of an interval."""
    title: str = TITLE
    """Title of the page."""


def run(options: Options) -> int:
    """Write everything and return the exit code."""
    return exit_code(partial(_run, options))


def _run(options: Options) -> int:
    if not options.files:
        raise InvalidSettingError("No file of results is given. Give one or more.")
    if len(options.files) > 1 and options.page is None:
        raise InvalidSettingError(
            "Several files make a new page. Say where: --page runs/all.md, or, to replace that "
            f"of the first file, --page {page_of(options.files[0])}."
        )
    page = options.page or page_of(options.files[0])
    table, settings = join([Results(path, *read_results(path)) for path in options.files])
    best_file = page.with_suffix("") / "best.parquet"
    best_file.parent.mkdir(parents=True, exist_ok=True)
    write_results(best_file, [incumbents(table)], settings)
    paths = write_page(table, settings, page, best_file, options.repeats, options.title)
    for path in (best_file, *paths):
        print(f"Written: {path}")
    return 0


def page_of(file: Path) -> Path:
    """Return where the page of a file goes unless told otherwise."""
    folder = file.resolve().parent
    return folder.with_suffix(".md") if folder == COMMITTED else file.with_name("leaderboard.md")


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words that follow its name; return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(
        tyro.cli(Options, args=arguments, prog="nas-env leaderboard", description=description)
    )
