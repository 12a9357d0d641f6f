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

from nas_env_cli.export.finished import FinishedRun
from nas_env_cli.export.longer_table import table
from nas_env_cli.export.longer_training import LongerPlan, retrain_best
from nas_env_cli.interrupts import exit_code


@dataclass(frozen=True)
class Options:
    """Train the best networks of a finished search to convergence, alone and as an ensemble.

    The test split is opened once, after all trainings. Run an interrupted command again to
    continue it. Writes retrained.json and retrained.md to the folder of the run.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, as nas-env search wrote it."""
    top: int = 5
    """Networks: the best different ones by score."""
    seeds: int = 3
    """Training seeds of each."""
    epochs: int = 40
    """Epochs of each training; the learning rate's schedule is laid out for them."""
    data: str | None = None
    """Where the data of the run are now, if not where the search read them."""
    store: str | None = None
    """Store of the run, where it is not where the search had it."""
    device: str = "auto"
    """Where networks are trained: auto, cpu, cuda."""
    again: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train what is missing and open the test split once more; the table says so."""


def log(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def run(options: Options) -> int:
    """Train, report and return the exit code."""
    torch.set_num_threads(1)  # small networks train fastest on one
    resume_hint = "Finished trainings are kept; run the same command again to continue."
    return exit_code(partial(_run, options), resume_hint)


def _run(options: Options) -> int:
    plan = LongerPlan(options.top, options.seeds, options.epochs, options.device)
    run = FinishedRun.read(options.run, data=options.data)
    text = table(retrain_best(run, plan, options.store, options.again, log))
    (options.run / "retrained.md").write_text(text, encoding="utf-8")
    print(f"{text}\nWritten to {options.run}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words that follow its name; return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(tyro.cli(Options, args=arguments, prog="nas-env retrain", description=description))
