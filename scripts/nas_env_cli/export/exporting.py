"""Export of the best network of a finished search."""

from __future__ import annotations

from pathlib import Path

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.export import Exported, export
from nas_env.tasks import Task
from nas_env_cli.export.card import write_card
from nas_env_cli.export.finished import FinishedRun
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

    Raises:
        InvalidSettingError: There is no run, it has not finished, or the output folder has other
            content than an earlier export.
        InvalidDataError: The data of the run can no longer be read.
        IncompatibleError: The run has no weights and `train` is False, all of its networks failed,
            or its data have changed.
    """
    run, folder = FinishedRun.read(path, task, data), output or path / "export"
    _check_folder(folder)
    trained = None if searched else run.converged()
    if trained is None and run.failed:
        raise run.all_failed()
    trained = trained or run.trained()
    if trained is None and not train:
        raise IncompatibleError(
            f"The run in {path} has no trained weights (best.safetensors): its evaluator "
            f"{run.options['evaluator']!r} trains nothing, or the training of its report failed. "
            "Add --train to train the network now by its recipe."
        )
    trained = trained or run.train(device)
    exported = export(trained.candidate.architecture, trained.weights, run.task, folder)
    text = write_card(run, trained, exported, folder)
    (folder / "card.md").write_text(text, encoding="utf-8")
    return _listed(exported, folder, run.metric_format, trained.origin)


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
    if exported.quantised is not None:
        (before, after), (first, last) = exported.quantised.quality, exported.quantised.size
        lines.append(
            f"8-bit integers: validation {fmt.sentence(before)} -> "
            f"{fmt.number(after)}{fmt.unit}, {first:,} -> {last:,} bytes."
        )
    return "\n".join(lines)
