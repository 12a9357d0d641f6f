"""Replay rows of a results file and compare every score exactly.

Example: nas-env replay docs/leaderboard/best.parquet
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import InvalidSettingError
from nas_env_cli.benchmark.replay import replay, sample_rows
from nas_env_cli.benchmark.results import read_results
from nas_env_cli.interrupts import exit_code

DIFFERS = 1


@dataclass(frozen=True)
class Options:
    """Replay rows of a results file and compare every score exactly.

    If a row differs, the command prints the first one and the exit code is 1.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """results.parquet or best.parquet of a benchmark."""
    sample: int | None = None
    """Number of rows to replay, drawn without replacement; default: all."""
    seed: int = 0
    """Seed of the draw."""


def run(options: Options) -> int:
    """Replay the rows and return the exit code."""
    return exit_code(partial(_run, options))


def _run(options: Options) -> int:
    if options.sample is not None and options.sample < 1:
        raise InvalidSettingError(f"Option --sample must be >= 1, got {options.sample}.")
    table, settings = read_results(options.file)
    rows, numbers = sample_rows(table, options.sample, options.seed)
    if wrong := replay(rows, settings["envs"], numbers):
        print(wrong)
        return DIFFERS
    print(f"{len(rows)} of {len(table)} rows replayed: all numbers are equal.")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(tyro.cli(Options, args=arguments, prog="nas-env replay", description=description))
