"""Write the page and figures of a leaderboard from results files.

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
    """Write the page and figures of a leaderboard from results files."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """results.parquet or best.parquet of a benchmark; both give the same page. Several files with
    the same limits give one page with all their runs."""
    page: Path | None = None
    """Path of the page; figures and best.parquet go to the folder with its name. Required for
    several files; default: leaderboard.md beside the file (docs/leaderboard.md for
    docs/leaderboard/best.parquet)."""
    repeats: int = REPEATS
    """Bootstrap samples of an interval."""
    title: str = TITLE
    """Title of the page."""


def run(options: Options) -> int:
    """Write everything and return the exit code."""
    return exit_code(partial(_run, options))


def _run(options: Options) -> int:
    if not options.files:
        raise InvalidSettingError("No results file is given. Give one or more.")
    if len(options.files) > 1 and options.page is None:
        raise InvalidSettingError(
            "Several files need --page. Give a new page, such as --page runs/all.md, or replace "
            f"the page of the first file with --page {page_of(options.files[0])}."
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
    """Return the default path of the page of a results file."""
    folder = file.resolve().parent
    return folder.with_suffix(".md") if folder == COMMITTED else file.with_name("leaderboard.md")


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(
        tyro.cli(Options, args=arguments, prog="nas-env leaderboard", description=description)
    )
