"""Write the best network of a finished search to a folder that one can take away."""

from __future__ import annotations

from pathlib import Path

from agents.search.card import write_card
from agents.search.finished import FinishedRun
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluators import Evaluator
from nas_env.evaluators.training import Training
from nas_env.export import Exported, export


def export_run(
    path: Path, output: Path | None = None, train: bool = False, device: str = "auto"
) -> tuple[Exported, Path]:
    """Write the best network of a run, with its model card; return what was written, and where.

    Args:
        path: Folder of the run.
        output: Folder to write to; `export` in that of the run if None.
        train: Whether the network is trained now, where the run has no weights.
        device: Where it is trained.

    Raises:
        InvalidSettingError: There is no run, or it has not finished.
        IncompatibleError: It has no weights and `train` is off, or its data have changed.
    """
    run, folder = FinishedRun.read(path), output or path / "export"
    trained = run.trained()
    if trained is None and not train:
        raise IncompatibleError(
            f"The run in {path} has no trained weights (best.safetensors): its evaluator "
            f"{run.options['evaluator']!r} trains nothing, or the training of its report failed. "
            "Add --train to train the network now by its recipe."
        )
    trained = trained or run.train(device)
    exported = export(run.candidate.architecture, trained.weights, run.task, folder)
    text = write_card(run, trained, exported, folder)
    (folder / "card.md").write_text(text, encoding="utf-8")
    return exported, folder


def check_export(name: str, evaluator: Evaluator, own_data: bool) -> None:
    """Refuse a search whose network cannot be written at its end.

    Args:
        name: The evaluator as the user named it.
        evaluator: The innermost one.
        own_data: Whether the search is one on own data.

    Raises:
        InvalidSettingError: The evaluator trains nothing, or the data are of a kind whose networks
            cannot be written yet.
    """
    if own_data:
        raise InvalidSettingError(
            "Option --export cannot write networks of own data yet. Leave it out, or give labelled "
            "arrays (.npz) with --task arrays."
        )
    if not isinstance(evaluator, Training):
        raise InvalidSettingError(
            f"Option --export needs trained networks, but evaluator {name!r} trains none. Use "
            "--evaluator training, or scripts/export.py RUN --train afterwards."
        )


def told(exported: Exported, folder: Path) -> str:
    """Return what was written and what was left out, for the screen."""
    lines = [f"Exported to {folder}:"]
    lines += [f"  {name:22} {what}" for name, what in exported.files.items()]
    lines += [f"  {'card.md':22} where it comes from, how good it is, and its limits"]
    lines += [f"  left out: {name}: {why}" for name, why in exported.left_out.items()]
    if exported.quantised is not None:
        (before, after), (first, last) = exported.quantised.accuracy, exported.quantised.size
        lines.append(
            f"In 8-bit integers: validation accuracy {100 * before:.2f} -> {100 * after:.2f} %, "
            f"{first:,} -> {last:,} bytes."
        )
    return "\n".join(lines)
