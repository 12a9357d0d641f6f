"""Write the best network of a finished search as files that need nothing of this repository."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import tyro

from nas_env_cli.export.exporting import export_run
from nas_env_cli.interrupts import exit_code


@dataclass(frozen=True)
class Options:
    """Write the best network of a finished search as files that need nothing of this repository.

    Source in plain PyTorch with weights and preprocessing, ONNX, a torch program, 8-bit integers,
    and a model card. The test split stays sealed.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, as nas-env search wrote it."""
    output: Path | None = None
    """Folder to write to, a new or empty one, or an earlier export; export in the folder of the run
    if left out."""
    data: str | None = None
    """Where the data of the run are now, if not where the search read them."""
    train: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Where the run has no trained weights, train the network now by its recipe."""
    searched: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Take the network as the search's report has it, also where nas-env retrain trained the
    best ones longer."""
    device: str = "auto"
    """Where it is trained: auto, cpu, cuda."""


def run(options: Options) -> int:
    """Export and return the exit code."""
    torch.set_num_threads(1)  # small networks run fastest on one
    return exit_code(partial(_run, options))


def _run(options: Options) -> int:
    where = options.run, options.output, options.train, options.device
    print(export_run(*where, searched=options.searched, data=options.data))
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the command with the words that follow its name; return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(tyro.cli(Options, args=arguments, prog="nas-env export", description=description))
