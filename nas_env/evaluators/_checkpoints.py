"""Checkpoints: trainings that stopped before the end of their schedule, to be continued."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from nas_env.architecture import Candidate, digest
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.files import UNFINISHED, write_atomically
from nas_env.tasks import Metrics
from nas_env.tasks.base import ResumeRefused

MAGIC = b"nas-env checkpoint 1\n"
DIGEST_BYTES = 16
MOST_FILES = 1000
ABANDONED_SECONDS = 3600  # a file that was begun so long ago is never finished
logger = logging.getLogger(__name__)
T = TypeVar("T")
State = Mapping[str, Any]


@dataclass
class TrainingProgress:
    """How far a training has come, from its first epoch on.

    Attributes:
        curve: Metrics of each epoch so far.
        earlier_seconds: Seconds of the parts before this one.
        started: When this part began.
    """

    curve: list[Metrics] = field(default_factory=list)
    earlier_seconds: float = 0.0
    started: float = field(default_factory=lambda: time.perf_counter())

    @property
    def seconds(self) -> float:
        """Seconds of all parts."""
        return self.earlier_seconds + time.perf_counter() - self.started

    def go_on_from(self, state: State) -> None:
        """Count from a checkpoint on."""
        self.curve = [dict(point) for point in state["curve"]]
        self.earlier_seconds = float(state["seconds"])


def name_of(candidate: Candidate, fingerprint: str, budget: Budget) -> str:
    """Return the name of a training: equal where more epochs only go on with it."""
    schedule, seed = budget.schedule_epochs, budget.training_seed
    return digest([candidate.trained_key, fingerprint, schedule, seed])


class Checkpoints:
    """A folder of checkpoints; several processes, also on several machines, may share it.

    A file is named after its training and the epochs it had (`NAME-EPOCHS.pt`), so it is found
    without an index, and is written under another name first. It holds about three times the
    network's parameters in four bytes each (weights and the optimizer's two moments) and some 20 to
    40 kB more, and goes when its training has reached the end of its schedule, or has stopped again
    later. Those of trainings that never go on stay; beyond `most_files` (1,000: 0.8 GB for networks
    of 60,000 parameters) the oldest go, which costs no more than training anew.

    What is read is checked against a hash in front of it, and only tensors, numbers, text and their
    collections are taken (`torch.load(weights_only=True)`); nothing in a file is ever run. A file
    that is damaged is left aside with a warning.

    Args:
        folder: Where they are; made where it is absent.
        most_files: The most files that stay.

    Raises:
        InvalidSettingError: The folder cannot be made.
    """

    def __init__(self, folder: Path | str, most_files: int = MOST_FILES) -> None:
        self.folder = Path(folder)
        self.most_files = most_files
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSettingError(
                f"Checkpoint folder {self.folder} cannot be made ({error.strerror}). "
                "Name a folder that may be written."
            ) from None

    def begin(self, name: str, epochs: int, start: Callable[[State | None], T]) -> T:
        """Start a training where the furthest usable checkpoint left it, or at the beginning.

        Args:
            name: The training.
            epochs: Checkpoints of more epochs do not serve.
            start: Called with a checkpoint, or with None to begin; raises `ResumeRefused` where
                the checkpoint does not fit.
        """
        for path in self._paths(name, epochs):
            try:
                return start(read(path, name))
            except FileNotFoundError:
                continue
            except ResumeRefused as error:
                logger.warning("Checkpoint %s is refused: %s", path, error)
        return start(None)

    def keep(self, name: str, progress: TrainingProgress, state: State) -> None:
        """Write a checkpoint and drop those of fewer epochs; a full disk is only logged."""
        epochs = len(progress.curve)
        content = {**state, "name": name, "curve": progress.curve, "seconds": progress.seconds}
        try:
            write(self._path(name, epochs), content)
            self._remove(self._paths(name, epochs - 1))
            self._prune()
        except OSError as error:
            logger.warning(
                "No checkpoint was left in %s (%s); the training cannot be continued.",
                self.folder,
                error.strerror,
            )

    def drop(self, name: str, epochs: int) -> None:
        """Remove the checkpoints of a training that has reached the end of its schedule."""
        self._remove(self._paths(name, epochs))

    def _path(self, name: str, epochs: int) -> Path:
        return self.folder / f"{name}-{epochs}.pt"

    def _paths(self, name: str, epochs: int) -> Iterator[Path]:
        """Yield the files of a training, the furthest first."""
        paths = (self._path(name, number) for number in range(epochs, 0, -1))
        return (path for path in paths if path.exists())

    def _remove(self, paths: Iterator[Path]) -> None:
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("Checkpoint %s cannot be removed (%s).", path, error.strerror)

    def _prune(self) -> None:
        """Remove what never was finished, and the oldest files beyond the limit."""
        ages: list[tuple[float, Path]] = []
        for entry in os.scandir(self.folder):
            try:
                ages.append((entry.stat().st_mtime, Path(entry.path)))
            except FileNotFoundError:
                continue  # another process was faster
        abandoned = time.time() - ABANDONED_SECONDS
        self._remove(path for age, path in ages if path.suffix == UNFINISHED and age < abandoned)
        files = sorted(pair for pair in ages if pair[1].suffix == ".pt")
        self._remove(path for _, path in files[: max(0, len(files) - self.most_files)])


def write(path: Path, content: State) -> None:
    """Write a checkpoint: a hash, then what torch saves; it is there whole or not at all."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    payload = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, MAGIC + _hash(payload) + payload)


def read(path: Path, name: str) -> State:
    """Return the checkpoint of a training.

    Raises:
        FileNotFoundError: It is gone.
        ResumeRefused: It is damaged, of another training, or holds more than plain values.
    """
    import torch

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResumeRefused(f"it cannot be read ({error.strerror}).") from error
    begin = len(MAGIC) + DIGEST_BYTES
    if data[:begin] != MAGIC + _hash(data[begin:]):
        raise ResumeRefused("it is damaged, or was not written by this release.")
    try:
        content = torch.load(io.BytesIO(data[begin:]), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a forged file makes of the reader
        reason = (str(error).splitlines() or [""])[0]
        raise ResumeRefused(f"it holds more than plain values ({reason}).") from error
    if not isinstance(content, dict) or content.get("name") != name:
        raise ResumeRefused("it is of another training.")
    curve, seconds = content.get("curve"), content.get("seconds")
    whole = isinstance(curve, list) and path == path.with_name(f"{name}-{len(curve)}.pt")
    if not (whole and isinstance(seconds, float)):
        raise ResumeRefused("it does not hold the epochs that its name says.")
    return content


def _hash(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=DIGEST_BYTES).digest()
