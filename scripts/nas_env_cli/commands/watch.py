"""Show a running search in the terminal until it ends.

Example: nas-env watch runs/mine
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from nas_env.errors import InvalidSettingError
from nas_env.files import UNFINISHED
from nas_env_cli.interrupts import exit_code
from nas_env_cli.report.live import is_over, read_live, view
from nas_env_cli.search.saved_options import read_options

PATIENCE_SECONDS = 20.0  # until a search that has just been started has created its folder


@dataclass(frozen=True)
class WatchOptions:
    """Show a running search in the terminal until it ends."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the search."""
    interval: float = 1.0
    """Seconds between two updates."""
    once: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the current table and exit."""


def run(options: WatchOptions) -> int:
    """Show the table until the searches have ended, and return the exit code."""
    return exit_code(partial(_run, options), "The search continues.")


def _run(options: WatchOptions) -> int:
    console = Console()
    if not options.interval > 0:
        raise InvalidSettingError(f"Option --interval must be > 0 seconds, got {options.interval}.")
    if not options.once:
        wait(options.run, console)
    read_options(options.run)
    if options.once:
        console.print(view(options.run, read_live(options.run)))
    else:
        watch(options.run, options.interval, console)
    return 0


def wait(run: Path, console: Console) -> None:
    """Wait up to `PATIENCE_SECONDS` for a search to begin, unless the path has other content."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    if may_begin(run):
        text = f"There is no search in {run} yet; waiting up to {PATIENCE_SECONDS:.0f} s for it."
        console.print(Text(text))
    while may_begin(run) and time.monotonic() < deadline:
        time.sleep(0.1)


def may_begin(run: Path) -> bool:
    """Return whether a search that has just been started may still write to this folder."""
    if not run.exists():
        return True
    if not run.is_dir() or (run / "token").is_file():  # written after the options
        return False
    return all(x.name == "options.json" or x.suffix == UNFINISHED for x in run.iterdir())


def watch(run: Path, interval: float, console: Console) -> None:
    """Show the table until the searches have ended."""
    with Live(Text("waiting for the first network"), console=console, auto_refresh=False) as live:
        while True:
            table, over = look(run)
            live.update(table, refresh=True)
            if over:
                return
            time.sleep(interval)


def look(run: Path) -> tuple[RenderableType, bool]:
    """Return the current table, and whether the searches have ended."""
    try:
        searches = read_live(run)
    except InvalidSettingError as error:  # the store comes with the first evaluation
        return Text(str(error)), False
    return view(run, searches), is_over(run, searches)


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(WatchOptions.__doc__ or "")
    return run(
        tyro.cli(WatchOptions, args=arguments, prog="nas-env watch", description=description)
    )
