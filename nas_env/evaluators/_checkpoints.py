"""Checkpoints of trainings that stopped before the end of their schedule."""

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
ABANDONED_SECONDS = 3600  # older unfinished files are considered abandoned
logger = logging.getLogger(__name__)
T = TypeVar("T")
State = Mapping[str, Any]


@dataclass
class TrainingProgress:
    """The progress of a training since its first epoch.

    Attributes:
        curve: Metrics of each epoch so far.
        earlier_seconds: Seconds of the earlier parts.
        started: Start time of this part.
    """

    curve: list[Metrics] = field(default_factory=list)
    earlier_seconds: float = 0.0
    started: float = field(default_factory=lambda: time.perf_counter())

    @property
    def seconds(self) -> float:
        """Seconds of all parts."""
        return self.earlier_seconds + time.perf_counter() - self.started

    def go_on_from(self, state: State) -> None:
        """Continue from the progress in a checkpoint."""
        self.curve = [dict(point) for point in state["curve"]]
        self.earlier_seconds = float(state["seconds"])


def name_of(candidate: Candidate, fingerprint: str, budget: Budget) -> str:
    """Return the name of a training; equal if additional epochs continue the same training."""
    schedule, seed = budget.schedule_epochs, budget.training_seed
    return digest([candidate.trained_key, fingerprint, schedule, seed])


class Checkpoints:
    """A folder of checkpoints, which several processes and machines can share.

    A file is named after its training and its number of epochs (`NAME-EPOCHS.pt`), so no index is
    needed. It is written atomically, under a temporary name first. A file holds three numbers of
    four bytes per parameter (the weight and the two moments of the optimizer) and about 20 to 40 kB
    more. It is removed when its training reaches the end of its schedule, or stops again later.
    Checkpoints of trainings that are never continued remain. If there are more than `most_files`
    (1,000: 0.8 GB for networks of 60,000 parameters), the oldest are removed; if needed again, such
    a training restarts.

    Each file begins with a hash that is verified when it is read. Only tensors, numbers, text and
    their collections are loaded (`torch.load(weights_only=True)`); no code in a file is executed.
    Damaged files are ignored with a warning.

    Args:
        folder: The folder; created if it does not exist.
        most_files: Maximum number of files.

    Raises:
        InvalidSettingError: The folder cannot be created.
    """

    def __init__(self, folder: Path | str, most_files: int = MOST_FILES) -> None:
        self.folder = Path(folder)
        self.most_files = most_files
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSettingError(
                f"Checkpoint folder {self.folder} cannot be created ({error.strerror}). "
                "Choose a writable folder."
            ) from None

    def begin(self, name: str, epochs: int, start: Callable[[State | None], T]) -> T:
        """Continue a training from its latest usable checkpoint, or start it.

        Args:
            name: Name of the training.
            epochs: Maximum number of epochs of a usable checkpoint.
            start: Called with a checkpoint to continue, or with None to start. Raises
                `ResumeRefused` if the checkpoint does not fit.
        """
        for path in self._paths(name, epochs):
            try:
                return start(read(path, name))
            except FileNotFoundError:
                continue
            except ResumeRefused as error:
                logger.warning("Checkpoint %s is ignored: %s", path, error)
        return start(None)

    def keep(self, name: str, progress: TrainingProgress, state: State) -> None:
        """Write a checkpoint and remove those of fewer epochs; write errors are only logged."""
        epochs = len(progress.curve)
        content = {**state, "name": name, "curve": progress.curve, "seconds": progress.seconds}
        try:
            write(self._path(name, epochs), content)
            self._remove(self._paths(name, epochs - 1))
            self._prune()
        except OSError as error:
            logger.warning(
                "No checkpoint was written to %s (%s); the training cannot be continued.",
                self.folder,
                error.strerror,
            )

    def drop(self, name: str, epochs: int) -> None:
        """Remove the checkpoints of a training that has reached the end of its schedule."""
        self._remove(self._paths(name, epochs))

    def _path(self, name: str, epochs: int) -> Path:
        return self.folder / f"{name}-{epochs}.pt"

    def _paths(self, name: str, epochs: int) -> Iterator[Path]:
        """Yield the files of a training, most epochs first."""
        paths = (self._path(name, number) for number in range(epochs, 0, -1))
        return (path for path in paths if path.exists())

    def _remove(self, paths: Iterator[Path]) -> None:
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("Checkpoint %s cannot be removed (%s).", path, error.strerror)

    def _prune(self) -> None:
        """Remove abandoned unfinished files, and the oldest files beyond the limit."""
        ages: list[tuple[float, Path]] = []
        for entry in os.scandir(self.folder):
            try:
                ages.append((entry.stat().st_mtime, Path(entry.path)))
            except FileNotFoundError:
                continue  # removed by another process
        abandoned = time.time() - ABANDONED_SECONDS
        self._remove(path for age, path in ages if path.suffix == UNFINISHED and age < abandoned)
        files = sorted(pair for pair in ages if pair[1].suffix == ".pt")
        self._remove(path for _, path in files[: max(0, len(files) - self.most_files)])


def write(path: Path, content: State) -> None:
    """Write a checkpoint atomically: a hash, then the output of `torch.save`."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    payload = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, MAGIC + _hash(payload) + payload)


def read(path: Path, name: str) -> State:
    """Return the checkpoint of a training.

    Raises:
        FileNotFoundError: The file does not exist.
        ResumeRefused: The checkpoint is damaged, belongs to another training, or contains more
            than plain values.
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
        raise ResumeRefused("it is damaged, or was written by another release.")
    try:
        content = torch.load(io.BytesIO(data[begin:]), map_location="cpu", weights_only=True)
    except Exception as error:  # a forged file can cause any error
        reason = (str(error).splitlines() or [""])[0]
        raise ResumeRefused(f"it contains more than plain values ({reason}).") from error
    if not isinstance(content, dict) or content.get("name") != name:
        raise ResumeRefused("it belongs to another training.")
    curve, seconds = content.get("curve"), content.get("seconds")
    whole = isinstance(curve, list) and path == path.with_name(f"{name}-{len(curve)}.pt")
    if not (whole and isinstance(seconds, float)):
        raise ResumeRefused("its number of epochs differs from its name.")
    return content


def _hash(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=DIGEST_BYTES).digest()
