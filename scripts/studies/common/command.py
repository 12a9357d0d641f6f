"""What the command of an experiment does: check, run what is missing, write the page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nas_env.errors import InvalidSettingError
from scripts.studies.common.experiment import Line, Results

ROOT = Path(__file__).resolve().parents[3]
J = TypeVar("J")


def typed_command() -> str:
    """Return the command of a study as it was typed, for the page that it writes."""
    return shlex.join(["python", "-m", "scripts.studies", *sys.argv[1:]])


def prepare(settings: Any, *counts: str) -> Results:
    """Return the results so far of settings with `page`, `store` and `shared()`.

    Args:
        settings: Options of the command.
        counts: Options that must be at least 1.

    Raises:
        InvalidSettingError: One is less, or the results were begun with other settings.
    """
    for name in counts:
        if (value := getattr(settings, name)) < 1:
            flag = name.replace("_", "-")
            raise InvalidSettingError(f"Option --{flag} must be >= 1, but is {value}.")
    settings.store.parent.mkdir(parents=True, exist_ok=True)
    return Results(settings.page.with_suffix("") / "results.jsonl", settings.shared())


def finish(
    results: Results,
    jobs: Sequence[J],
    play: Callable[[J], Line],
    processes: int,
    page: Path,
    write: Callable[[Results], str],
) -> int:
    """Play what is missing, write the page, and return the exit code.

    Args:
        results: Where results are kept.
        jobs: What is missing.
        play: Plays one, in a process of its own; can be pickled.
        processes: Jobs at once.
        page: The page.
        write: Returns its text.
    """
    command = typed_command()
    results.run(jobs, play, processes, command)
    page.write_text(write(results), encoding="utf-8")
    print(f"Written: {page}")
    return 0
