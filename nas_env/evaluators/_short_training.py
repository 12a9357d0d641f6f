"""The training inside an evaluator that stops networks early."""

from __future__ import annotations

import shutil
import tempfile
import weakref

from nas_env.evaluators.training import Training
from nas_env.tasks import Task


def continued_training(task: Task, device: str, precision: str) -> Training:
    """Return a training whose checkpoints are in a folder that goes with it."""
    folder = tempfile.mkdtemp(prefix="nas-env-checkpoints-")
    training = Training(task, device, precision, checkpoints=folder)
    weakref.finalize(training, shutil.rmtree, folder, ignore_errors=True)
    return training
