"""Train the best networks of a finished search to convergence, alone and as an ensemble."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import tyro

from nas_env.files import write_atomically
from nas_env_cli.export.finished import FinishedRun
from nas_env_cli.export.longer_table import table
from nas_env_cli.export.longer_training import LongerPlan, retrain_best
from nas_env_cli.interrupts import exit_code
from nas_env_cli.search.options import hint


@dataclass(frozen=True)
class Options:
    """Train the best networks of a finished search to convergence, alone and as an ensemble.

    Each training keeps its best epoch on validation, and ends after a quarter of the epochs, at
    least 5, without improvement. The test split is opened once, after all trainings. Run an
    interrupted command again to continue it. Writes retrained.json and retrained.md to the folder
    of the run.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder, as written by nas-env search."""
    top: int = 5
    """Number of networks: the best distinct ones by score."""
    seeds: int = 3
    """Training seeds of each network."""
    epochs: Annotated[int | None, hint("COUNT", "40, or those of the search if more")] = None
    """Maximum epochs of each training, at least those of the search; the learning-rate schedule
    spans all of them."""
    data: str | None = None
    """Path of the data of the run, if they have moved since the search."""
    store: str | None = None
    """Store of the run, if it has moved since the search."""
    device: str = "auto"
    """Device of the trainings: auto, cpu, cuda."""
    again: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train missing networks and open the test split once more; the table reports how often."""


def log(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def run(options: Options) -> int:
    """Train, report and return the exit code."""
    torch.set_num_threads(1)  # one thread is fastest for small networks
    resume_hint = "Finished trainings are kept; run the same command again to continue."
    return exit_code(partial(_run, options), resume_hint, lambda: resume_hint)


def _run(options: Options) -> int:
    plan = LongerPlan(options.top, options.seeds, options.epochs, options.device)
    run = FinishedRun.read(options.run, data=options.data)
    text = table(retrain_best(run, plan, options.store, options.again, log))
    write_atomically(options.run / "retrained.md", text)
    print(f"{text}\nWritten to {options.run}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(tyro.cli(Options, args=arguments, prog="nas-env retrain", description=description))
