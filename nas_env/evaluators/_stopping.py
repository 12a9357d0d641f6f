"""The common part of evaluators that stop networks early."""

from __future__ import annotations

import shutil
import tempfile
import weakref

from nas_env.evaluators.base import Around, Evaluator
from nas_env.evaluators.training import Training
from nas_env.objectives import OBJECTIVES, Objective
from nas_env.store import Store
from nas_env.tasks import Task


class EarlyStopping(Around):
    """Asks the evaluator inside at several fidelities; what it answers itself is never stored.

    Args:
        evaluator: Who is asked.
        objective: What is scored, or its name; None: that of the environment whose store is put
            inside, accuracy until then.
    """

    def __init__(self, evaluator: Evaluator, objective: str | Objective | None) -> None:
        super().__init__(evaluator)
        self._given = OBJECTIVES.get(objective)() if isinstance(objective, str) else objective

    @property
    def objective(self) -> Objective:
        """What is scored."""
        return self._given or OBJECTIVES.get("accuracy")()

    def stored_in(self, store: Store, objective: Objective, retry_failed: bool) -> Evaluator:
        """Put the store inside and return this evaluator; each fidelity is kept as what it is."""
        self.evaluator = self.evaluator.stored_in(store, objective, retry_failed)
        self._given = self._given or objective
        return self


def continued_training(task: Task, device: str, precision: str) -> Training:
    """Return a training whose checkpoints are in a folder that goes with it."""
    folder = tempfile.mkdtemp(prefix="nas-env-checkpoints-")
    training = Training(task, device, precision, checkpoints=folder)
    weakref.finalize(training, shutil.rmtree, folder, ignore_errors=True)
    return training
