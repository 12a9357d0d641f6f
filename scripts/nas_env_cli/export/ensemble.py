"""The ensemble of the networks that `nas-env retrain` trained."""

from __future__ import annotations

import json
from typing import Any

import torch

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError
from nas_env_cli.export.finished import RETRAINED, FinishedRun, Member, Trained, weights_file
from nas_env_cli.metric_format import times_in_words


def trained_ensemble(run: FinishedRun) -> Trained:
    """Return the ensemble of all trainings of nas-env retrain that did not fail.

    It is the last row of the table in `retrained.md`.

    Raises:
        IncompatibleError: nas-env retrain was not run, fewer than two of its trainings succeeded,
            or weights are missing.
    """
    file = run.path / RETRAINED
    if not file.is_file():
        raise IncompatibleError(
            f"The run in {run.path} has no ensemble. Train its networks with nas-env retrain "
            f"{run.path}."
        )
    data = json.loads(file.read_text(encoding="utf-8"))
    seeds, epochs = data["training_seeds"], data["plan"]["epochs"]
    members = [
        member
        for seed in seeds
        for row in data["networks"]
        if (member := _member(run, Candidate.from_json(row["candidate"]), epochs, seed))
    ]
    if len(members) < 2:
        raise IncompatibleError(
            f"An ensemble needs at least 2 trained networks, but {file} has {len(members)}. Raise "
            "--top or --seeds of nas-env retrain."
        )
    times = times_in_words(data["test_openings"])
    return Trained(
        *members[0],
        epochs,
        None,
        f"of nas-env retrain: all {len(members)} trainings as an ensemble",
        [data["ensemble_of_all"]["test"]],
        f"was read for the report of the search, and {times} for networks trained longer",
        members,
    )


def _member(run: FinishedRun, candidate: Candidate, epochs: int, seed: int) -> Member | None:
    """Return a trained network; None if its training failed."""
    path = weights_file(run.path, candidate, epochs, seed)
    if not path.is_file():
        raise IncompatibleError(
            f"{path} is missing, which nas-env retrain wrote. Restore it, or export one network "
            "without --ensemble."
        )
    saved: dict[str, Any] = torch.load(path, weights_only=True)
    return None if saved["weights"] is None else Member(candidate, saved["weights"], seed)
