"""Play rows of a file of results again and compare every score exactly.

Example: python scripts/replay.py docs/leaderboard/best.parquet
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import nas_env  # noqa: F401 - registers the environments
from agents.benchmark.replay import replay, sample_rows
from agents.benchmark.results import read_results
from nas_env.errors import InvalidSettingError, NASError

DIFFERS = 1


@dataclass(frozen=True)
class Options:
    """Play rows of a file of results again and compare every score exactly.

    The exit code is 1 where a row differs; the first that does is named.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """results.parquet or best.parquet of a benchmark."""
    sample: int | None = None
    """Play so many rows, drawn without replacement; all if left out."""
    seed: int = 0
    """Seed of the draw."""


def main(options: Options) -> int:
    """Play the rows and return the exit code."""
    try:
        if options.sample is not None and options.sample < 1:
            raise InvalidSettingError(f"Option --sample must be >= 1, but is {options.sample}.")
        table, settings = read_results(options.file)
        rows, numbers = sample_rows(table, options.sample, options.seed)
        wrong = replay(rows, settings["envs"], numbers)
    except NASError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if wrong:
        print(wrong)
        return DIFFERS
    print(f"{len(rows)} of {len(table)} rows played again: all numbers are equal.")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=Options.__doc__)))
