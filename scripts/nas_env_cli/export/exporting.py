"""Export of the best network of a finished search."""

from __future__ import annotations

from pathlib import Path

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.export import Exported, export, export_ensemble
from nas_env.files import write_atomically
from nas_env.tasks import Task
from nas_env_cli.export.card import write_card
from nas_env_cli.export.ensemble import trained_ensemble
from nas_env_cli.export.finished import FinishedRun, Trained
from nas_env_cli.metric_format import MetricFormat

OURS = ("network.json", "network.py")  # files that every export has


def export_run(
    path: Path,
    output: Path | None = None,
    train: bool = False,
    device: str = "auto",
    task: Task | None = None,
    searched: bool = False,
    data: str | None = None,
    ensemble: bool = False,
    calibrated: bool = False,
) -> str:
    """Write the best network of a run with its model card; return a list of the files as text.

    If nas-env retrain has trained networks longer, the best of those on the validation split is
    exported.

    Args:
        path: Run folder.
        output: Output folder; None: `export` in the run folder.
        train: Whether to train the network now if the run has no weights.
        device: Device of that training.
        task: The task of the search; None: it is created again.
        searched: Export the network of the search's report, even if others were trained longer.
        data: Path of the data of the run; None: the path that the search used.
        ensemble: Export the ensemble of all networks that nas-env retrain trained.
        calibrated: Calibrate the probabilities by a temperature on the validation split.

    Raises:
        InvalidSettingError: There is no run, it has not finished, or the output folder has other
            content than an earlier export.
        InvalidDataError: The data of the run can no longer be read.
        IncompatibleError: The run has no weights and `train` is False, all of its networks failed,
            its data have changed, there is no ensemble, or a regression is to be calibrated.
    """
    if ensemble and (train or searched):
        raise InvalidSettingError(
            "Option --ensemble exports the networks of nas-env retrain. Leave out "
            f"{'--train' if train else '--searched'}."
        )
    run, folder = FinishedRun.read(path, task, data), output or path / "export"
    _check_folder(folder)
    trained = trained_ensemble(run) if ensemble else _best(run, train, device, searched)
    if trained.members:
        members = [(x.candidate.architecture, x.weights) for x in trained.members]
        exported = export_ensemble(members, run.task, folder, calibrated)
    else:
        architecture = trained.candidate.architecture
        exported = export(architecture, trained.weights, run.task, folder, calibrated)
    text = write_card(run, trained, exported, folder)
    write_atomically(folder / "card.md", text)
    return _listed(exported, folder, run.metric_format, trained.origin)


def _best(run: FinishedRun, train: bool, device: str, searched: bool) -> Trained:
    """Return the best network of a run with its weights."""
    trained = None if searched else run.converged()
    if trained is None and run.failed:
        raise run.all_failed()
    trained = trained or run.trained()
    if trained is None and not train:
        raise IncompatibleError(
            f"The run in {run.path} has no trained weights (best.safetensors): its evaluator "
            f"{run.options['evaluator']!r} trains nothing, the training of its report failed, or "
            "its time limit ended before. "
            "Add --train to train the network now by its recipe."
        )
    return trained or run.train(device)


def _check_folder(folder: Path) -> None:
    """Raise InvalidSettingError if a folder has other content than an earlier export."""
    if not folder.exists() or all((folder / name).is_file() for name in OURS):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        what = "has files that are not an export" if folder.is_dir() else "is a file"
        raise InvalidSettingError(
            f"{folder} {what}. Give a new or empty folder with --output, or one with an earlier "
            f"export, which is overwritten (it has {' and '.join(OURS)})."
        )


def _listed(exported: Exported, folder: Path, fmt: MetricFormat, origin: str) -> str:
    """Return the list of written and omitted files, for the terminal."""
    lines = [f"Exported to {folder}, with weights {origin}:"]
    lines += [f"  {name:22} {what}" for name, what in exported.files.items()]
    lines += [f"  {'card.md':22} the origin, quality and limits of the network"]
    lines += [f"  left out: {name}: {why}" for name, why in exported.left_out.items()]
    if (x := exported.calibration) is not None:
        lines.append(
            f"Calibrated by the temperature {x.temperature:g}: expected calibration error "
            f"{100 * x.before:.2f} % -> {100 * x.after:.2f} % on validation."
        )
    if exported.quantised is not None:
        (before, after), (first, last) = exported.quantised.quality, exported.quantised.size
        lines.append(
            f"8-bit integers: validation {fmt.sentence(before)} -> "
            f"{fmt.number(after)}{fmt.unit}, {first:,} -> {last:,} bytes."
        )
    return "\n".join(lines)
