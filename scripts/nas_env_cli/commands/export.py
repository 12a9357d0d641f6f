"""Write the best network of a finished search as files that do not need nas-env."""

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
    """Write the best network of a finished search as files that do not need nas-env.

    The files are plain PyTorch source with weights and preprocessing, ONNX, a torch.export program,
    8-bit ONNX, and a model card. The test split stays sealed.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder, as written by nas-env search."""
    output: Path | None = None
    """Output folder: new, empty, or an earlier export; default: export in the run folder."""
    data: str | None = None
    """Path of the data of the run, if they have moved since the search."""
    train: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train the network now by its recipe if the run has no trained weights."""
    searched: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Export the network of the search's report, even if nas-env retrain trained networks
    longer."""
    ensemble: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Export the ensemble of all networks that nas-env retrain trained, as one network."""
    calibrate: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Calibrate the probabilities of a classifier by a temperature that is fitted on the
    validation split."""
    device: str = "auto"
    """Device of the training: auto, cpu, cuda."""


def run(options: Options) -> int:
    """Export and return the exit code."""
    torch.set_num_threads(1)  # one thread is fastest for small networks
    return exit_code(partial(_run, options))


def _run(options: Options) -> int:
    text = export_run(
        options.run,
        options.output,
        options.train,
        options.device,
        searched=options.searched,
        data=options.data,
        ensemble=options.ensemble,
        calibrated=options.calibrate,
    )
    print(text)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the command with its command-line arguments and return the exit code."""
    description = inspect.cleandoc(Options.__doc__ or "")
    return run(tyro.cli(Options, args=arguments, prog="nas-env export", description=description))
