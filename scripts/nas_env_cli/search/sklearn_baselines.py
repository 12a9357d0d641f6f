"""Models of scikit-learn as baselines for searches on tables.

Logistic or ridge regression and histogram-based gradient boosting (Ke et al., "LightGBM", NeurIPS
2017) are fitted on the training split as the task encodes it. The task's own metrics measure them.
They run in a process of their own, which can be stopped at any time.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas_env.evaluators.parallel.imports import without_main
from nas_env.evaluators.parallel.process import undisturbed
from nas_env.extras import missing, sentence
from nas_env.tasks import Task
from nas_env.tasks.own_data import DataTask
from nas_env_cli.worker_process import end_with_parent

SECONDS = 60.0
MOST_VALUES = 20_000_000  # numbers of the training split; more are subsampled
LINEAR = {"classification": "logistic regression", "regression": "ridge regression"}
TREES = "HistGradientBoosting"
STRENGTHS = (1.0, 100.0, 0.01)  # C of logistic regression, 1 / alpha of ridge regression
RATES = (0.1, 0.03)  # learning rates of boosting; the first is the default of scikit-learn
ITERATIONS = 1000  # maximum for logistic regression
LEAST = 1e-30  # probability of a class that a model does not know


@dataclass(frozen=True)
class Baseline:
    """A fitted model.

    Attributes:
        name: Name of the model.
        settings: The setting that is best on the validation split, as text.
        validation: The task's metric on the validation split.
        test: The task's metric on the test split; None: it was not opened.
        seconds: Duration of the fit with this setting.
    """

    name: str
    settings: str
    validation: float
    test: float | None
    seconds: float


@dataclass(frozen=True)
class Baselines:
    """The fitted models, and notes on what was left out."""

    models: tuple[Baseline, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the models and notes as plain data."""
        return {"models": [asdict(x) for x in self.models], "notes": list(self.notes)}


@dataclass(frozen=True)
class Setting:
    """A model that is to be fitted.

    Attributes:
        name: Name of the model.
        text: The setting, as text.
        value: Its strength or learning rate.
    """

    name: str
    text: str
    value: float


def settings_for(problem: str) -> list[Setting]:
    """Return the settings to try, in order: the defaults of both models first."""
    linear = [Setting(LINEAR[problem], _linear_text(problem, x), x) for x in STRENGTHS]
    trees = [Setting(TREES, f"learning_rate={x:g}", x) for x in RATES]
    return [linear[0], trees[0], *linear[1:], *trees[1:]]


def _linear_text(problem: str, strength: float) -> str:
    return f"C={strength:g}" if problem == "classification" else f"alpha={1 / strength:g}"


def fit_baselines(
    task: Task, seconds: float = SECONDS, test: bool = False, most_values: int = MOST_VALUES
) -> Baselines | None:
    """Return the models for a task with vectors of the user's data; None for another task.

    Deterministic, except for what the time limit leaves out.

    Args:
        task: The task.
        seconds: When the fits are stopped; what was not fitted is left out, and a note says so.
        test: Whether to measure on the test split, which opens it.
        most_values: Largest number of values of the training split, rows times features; of more
            values, a random subset of the rows is used, and a note says so.
    """
    if not isinstance(task, DataTask) or len(task.spec.input_shape) != 1:
        return None
    if absent := missing(("sklearn",)):
        note = sentence("The comparison with scikit-learn needs", absent, "data")
        return Baselines(notes=(note,))
    count = len(task.data.rows["train"])
    most = max(1, most_values // task.spec.input_shape[0])
    notes = [] if count <= most else [f"scikit-learn was fitted on {most:,} of {count:,} rows."]
    settings = settings_for(task.spec.problem)
    fitted, failures, reason = _fitted(task, settings, seconds, (test, most))
    models = tuple(best(fitted[name], task.spec.higher_is_better) for name in fitted)
    left = settings[len(failures) + sum(map(len, fitted.values())) :]
    if left:
        listed = ", ".join(f"{x.name} ({x.text})" for x in left)
        notes.append(f"Left out of scikit-learn's models, because {reason}: {listed}.")
    return Baselines(models, (*notes, *failures))


def best(fits: Sequence[Baseline], higher_is_better: bool) -> Baseline:
    """Return the fit that is best on the validation split; the first of equals."""
    return (max if higher_is_better else min)(fits, key=lambda x: x.validation)


def _fitted(
    task: DataTask, settings: Sequence[Setting], seconds: float, how: tuple[bool, int]
) -> tuple[dict[str, list[Baseline]], list[str], str]:
    """Return the fits by model, notes on failures, and why the process ended."""
    fits: dict[str, list[Baseline]] = {}
    failures: list[str] = []
    ends = time.monotonic() + seconds
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, task, settings, *how), daemon=True)
    try:
        with without_main(), undisturbed():
            process.start()
        theirs.close()
        for _ in settings:
            if not ours.poll(max(0.0, ends - time.monotonic())):
                return fits, failures, f"their {seconds:.3g} seconds were over"
            result = ours.recv()
            if isinstance(result, Baseline):
                fits.setdefault(result.name, []).append(result)
            else:
                failures.append(result)
    except EOFError:
        return fits, failures, "their process ended (out of memory?)"
    finally:
        process.kill()
        process.join()
        ours.close()
    return fits, failures, ""


def _serve(
    connection: Connection, task: DataTask, settings: Sequence[Setting], test: bool, most: int
) -> None:
    """Send a `Baseline` for each setting, or the note of its failure."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = training_rows(task, most)
        for setting in settings:
            try:
                connection.send(fit(task, setting, x, y, test))
            except (ValueError, ArithmeticError, MemoryError) as error:
                cause = " ".join(str(error).split()) or type(error).__name__
                connection.send(f"scikit-learn's {setting.name} ({setting.text}) failed: {cause}.")


def training_rows(task: DataTask, most: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return at most `most` samples of the training split with their targets, encoded."""
    x, y = task.tensors("train")
    rows = np.arange(len(y))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    chosen = torch.from_numpy(rows)
    return x[chosen].numpy(), y[chosen].numpy()


def fit(
    task: DataTask, setting: Setting, x: NDArray[np.float32], y: NDArray[Any], test: bool
) -> Baseline:
    """Return a model fitted on training samples and measured by the task."""
    model = _model(setting, task.spec.metric)
    begun = time.perf_counter()
    model.fit(x, y)
    seconds = time.perf_counter() - begun
    network, metric = _AsNetwork(model, task.spec.num_outputs), task.spec.metric
    text = setting.text
    if np.max(getattr(model, "n_iter_", None) or 0) >= ITERATIONS:
        text += f", not converged after {ITERATIONS:,} iterations"
    validation = task.validate(network)[metric]
    tested = task.test(network)[metric] if test else None
    return Baseline(setting.name, text, validation, tested, seconds)


def _model(setting: Setting, metric: str) -> Any:
    """Return an estimator; its classes are weighted if recall of all classes counts equally."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    weight = "balanced" if metric == "balanced_accuracy" else None
    if setting.name == LINEAR["classification"]:
        return LogisticRegression(C=setting.value, max_iter=ITERATIONS, class_weight=weight)
    if setting.name == LINEAR["regression"]:
        return Ridge(1 / setting.value)
    how = {"learning_rate": setting.value, "random_state": 0}
    if metric in ("mse", "mae"):
        loss = "absolute_error" if metric == "mae" else "squared_error"
        return HistGradientBoostingRegressor(loss=loss, **how)
    return HistGradientBoostingClassifier(class_weight=weight, **how)


class _AsNetwork(nn.Module):
    """An estimator with the outputs of a network, for the metrics of a task."""

    def __init__(self, model: Any, outputs: int) -> None:
        super().__init__()
        self.model, self.outputs = model, outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return logarithms of probabilities (batch, classes), or predictions (batch, 1)."""
        samples = x.numpy()
        if not hasattr(self.model, "predict_proba"):
            return torch.from_numpy(np.asarray(self.model.predict(samples)).reshape(-1, 1))
        probabilities = np.full((len(samples), self.outputs), LEAST)
        probabilities[:, self.model.classes_] = self.model.predict_proba(samples)
        return torch.from_numpy(np.log(np.maximum(probabilities, LEAST)))
