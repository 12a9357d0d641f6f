"""Base class of evaluators that stop trainings early."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_env.evaluators.base import Cache, Evaluator, EvaluatorWrapper
from nas_env.evaluators.latency import Latency
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES, Objective
from nas_env.tasks import Task

PREFIX = "nas-env-checkpoints-"
NEW_SECONDS = 60.0  # a folder newer than this may not be locked yet


class EarlyStopping(EvaluatorWrapper):
    """Evaluates at several fidelities with the wrapped evaluator; its own results are not cached.

    Args:
        evaluator: The wrapped evaluator.
        objective: Objective that compares candidates, or its name. None: the environment's own,
            or accuracy outside an environment.
    """

    def __init__(self, evaluator: Evaluator, objective: str | Objective | None) -> None:
        super().__init__(evaluator)
        self._given = OBJECTIVES.get(objective)() if isinstance(objective, str) else objective

    @property
    def objective(self) -> Objective:
        """The objective that compares candidates."""
        return self._given or OBJECTIVES.get("accuracy")()

    def with_cache(self, cache: Cache, objective: Objective) -> Evaluator:
        """Cache the wrapped evaluator and return this one: each fidelity has its own entry."""
        self.evaluator = self.evaluator.with_cache(cache, objective)
        self._given = self._given or objective
        return self


def continued_training(
    task: Task,
    device: str,
    precision: str,
    latency: Latency | Mapping[str, Any] | bool | None = None,
) -> Training:
    """Create a `Training` whose checkpoints are in a temporary folder.

    The folder is removed with the evaluator. Folders of killed processes are removed by the next
    call.
    """
    for leftover in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not _held(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=PREFIX)
    training = Training(task, device, precision, checkpoints=folder, latency=latency)
    lock = _hold(Path(folder))
    weakref.finalize(training, _let_go, folder, lock)
    return training


def _hold(folder: Path) -> int | None:
    """Lock a folder until this process ends; return None if the system has no such locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _held(folder: Path) -> bool:
    """Return whether a running process has locked a folder, or may do so soon."""
    try:
        if time.time() - folder.stat().st_mtime < NEW_SECONDS:
            return True
        lock = _hold(folder)
    except OSError:
        return True
    if lock is not None:
        os.close(lock)
    return lock is None


def _let_go(folder: str, lock: int | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        os.close(lock)
