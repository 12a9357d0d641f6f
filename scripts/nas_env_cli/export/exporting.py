"""Write the best network of a finished search to a folder of its own."""

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
    """Write the best network of a run, with its model card; say what was written, and where.

    Where nas-env retrain trained the best ones longer, it is the best of those on validation.

    Args:
        path: Folder of the run.
        output: Folder to write to; `export` in that of the run if None.
        train: Whether the network is trained now, where the run has no weights.
        device: Where it is trained.
        task: What was searched on, where it is at hand; else it is made again.
        searched: Take the network of the search's report also where others were trained longer.
        data: Where its data are now; None: where the search read them.

    Raises:
        InvalidSettingError: There is no run, it has not finished, or the folder to write to holds
            something else than an earlier export.
        InvalidDataError: Its data cannot be read any more.
        IncompatibleError: It has no weights and `train` is off, its networks all failed, or its
            data have changed.
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
    """Refuse a folder that holds something, but no earlier export."""
    if not folder.exists() or all((folder / name).is_file() for name in OURS):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        what = "holds files that are no export" if folder.is_dir() else "is a file"
        raise InvalidSettingError(
            f"{folder} {what}. Name a new or empty folder with --output, or that of an earlier "
            f"export, which is written over ({' and '.join(OURS)} are in it)."
        )


def _listed(exported: Exported, folder: Path, fmt: MetricFormat, origin: str) -> str:
    """Return what was written and what was left out, for the screen."""
    lines = [f"Exported to {folder}, with weights {origin}:"]
    lines += [f"  {name:22} {what}" for name, what in exported.files.items()]
    lines += [f"  {'card.md':22} where it comes from, how good it is, and its limits"]
    lines += [f"  left out: {name}: {why}" for name, why in exported.left_out.items()]
    if exported.quantised is not None:
        (before, after), (first, last) = exported.quantised.quality, exported.quantised.size
        lines.append(
            f"In 8-bit integers: validation {fmt.sentence(before)} -> "
            f"{fmt.number(after)}{fmt.unit}, {first:,} -> {last:,} bytes."
        )
    return "\n".join(lines)
