"""Measure the evaluation engine against a plain sequential PyTorch script.

Example: python -m scripts.bench engine --repeats 3
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget
from nas_env.evaluators import Evaluator, Parallel
from nas_env.evaluators.training import Training
from nas_env.spaces import SPACES
from nas_env.tasks import TASKS
from nas_env.tasks.supervised import SupervisedTask
from scripts.bench.page import PAGES, ROOT, Page, spread, verdict
from scripts.bench.plain_loop import train_plainly

PLAIN, INLINE = "plain script", "`Training`, in one process"
START = "start of the worker processes, once a search"
BUDGET = Budget(epochs=1)


@dataclass(frozen=True)
class Options:
    """Measure the evaluation engine against a plain sequential PyTorch script.

    Attributes:
        networks: Random networks of `chain`.
        images: Training images of each epoch; a third as many validate.
        workers: Worker processes.
        repeats: Repeats; the rows take turns.
        mnist: File with the images; without it nothing is measured.
        output: Folder of the page.
    """

    networks: int = 30
    images: int = 6000
    workers: int = 2
    repeats: int = 3
    mnist: Path = ROOT.parent / "shared" / "data" / "mnist_15k.npz"
    output: Path = PAGES


def load(path: Path, count: int) -> SupervisedTask:
    """Return the task of the first images of a file, the next third of them for validation."""
    with np.load(path) as arrays:
        name = "_train" if "x_train" in arrays else ""
        x, y = arrays[f"x{name}"], arrays[f"y{name}"]
    data = {}
    for part, begin, end in (
        ("train", 0, count),
        ("val", count, count + count // 3),
        ("test", count + count // 3, count + 2 * (count // 3)),
    ):
        data[f"x_{part}"], data[f"y_{part}"] = x[begin:end], y[begin:end]
    task = TASKS.get("own-data")(data=data)
    assert isinstance(task, SupervisedTask)
    return task


def accuracies(evaluator: Evaluator, batch: Sequence[Candidate]) -> list[float]:
    """Return the validation accuracies; whatever failed ends the measurement."""
    evaluations = evaluator.evaluate(batch, BUDGET)
    for evaluation in evaluations:
        if not evaluation.ok:
            raise SystemExit(f"A network failed: {evaluation.message}")
    return [evaluation.metrics["accuracy"] for evaluation in evaluations]


def start_seconds(parallel: Parallel, batch: Sequence[Candidate]) -> float:
    """Return how much longer the first batch takes than the same once more."""
    times = [time.perf_counter()]
    for _ in range(2):
        accuracies(parallel, batch)
        times.append(time.perf_counter())
    return max(0.0, (times[1] - times[0]) - (times[2] - times[1]))


def measure(
    task: SupervisedTask, batch: list[Candidate], settings: Options, threads: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the seconds of each row's repeats, and the accuracies that came out last."""
    training, faster = (Training(task, device="cpu", precision=x) for x in ("float32", "auto"))
    name = f"`Parallel`, {settings.workers} workers"
    auto = f'{name}, `precision="auto"`: {faster.precision}'
    seconds: dict[str, list[float]] = {x: [] for x in (PLAIN, INLINE, name, auto, START)}
    accuracies_of: dict[str, list[float]] = {}
    training.evaluate(batch[:1], BUDGET)  # the first pays for the imports
    for _ in range(settings.repeats):
        with (
            Parallel(training, settings.workers) as parallel,
            Parallel(faster, settings.workers) as parallel_auto,
        ):
            seconds[START].append(start_seconds(parallel, batch[: settings.workers]))
            start_seconds(parallel_auto, batch[: settings.workers])
            evaluators: dict[str, Evaluator] = {
                INLINE: training,
                name: parallel,
                auto: parallel_auto,
            }
            for row in (PLAIN, *evaluators):
                torch.set_num_threads(threads)
                started = time.perf_counter()
                if row == PLAIN:
                    accuracies_of[row] = [train_plainly(task, x, BUDGET) for x in batch]
                else:
                    accuracies_of[row] = accuracies(evaluators[row], batch)
                seconds[row].append(time.perf_counter() - started)
    return seconds, accuracies_of


def add(
    page: Page,
    seconds: dict[str, list[float]],
    accuracies_of: dict[str, list[float]],
    networks: int,
) -> None:
    """Add rows and verdicts."""
    _, _, name, auto, _ = seconds
    for row, values in seconds.items():
        times = [a / b for a, b in zip(seconds[PLAIN], values, strict=True)] if row != START else []
        accuracy = (
            f"{100 * statistics.mean(accuracies_of[row]):.2f}" if row in accuracies_of else ""
        )
        page.rows.append((row, spread(values), spread(times) if times else "", accuracy))
    for row, precision in ((name, "float32"), (auto, '`precision="auto"`')):
        times = [a / b for a, b in zip(seconds[PLAIN], seconds[row], strict=True)]
        aim = f"with {precision} at least twice as fast as the plain script"
        page.verdicts.append(verdict(aim, statistics.median(times) >= 2))
    times = [a / b for a, b in zip(seconds[INLINE], seconds[name], strict=True)]
    aim = f"at least 1.4 times as fast as one process ({statistics.median(times):.2f} times)"
    page.verdicts.append(verdict(aim, statistics.median(times) >= 1.4))
    equal = accuracies_of[name] == accuracies_of[INLINE]
    aim = "the accuracies of all networks are equal in one process and in several, bit for bit"
    page.verdicts.append(verdict(aim, equal))
    differences = "; ".join(
        f"{row}: {gap(accuracies_of[row], accuracies_of[PLAIN])}" for row in (name, auto)
    )
    page.verdicts.append(
        f"Mean difference of the accuracy from the plain script's over {networks} networks, in "
        f"points (standard error): {differences}. They use different random numbers."
    )


def gap(ours: list[float], plain: list[float]) -> str:
    """Return the mean difference of paired accuracies, and its standard error."""
    gaps = [100 * (a - b) for a, b in zip(ours, plain, strict=True)]
    error = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else float("inf")
    return f"{statistics.mean(gaps):+.2f} ({error:.2f})"


def run(settings: Options) -> int:
    """Measure and write the page."""
    threads = torch.get_num_threads()
    page = Page(
        "engine",
        "Speed of the evaluation engine",
        f"Wall time of training {settings.networks} random networks of `chain` (drawn decision by "
        f"decision) for one epoch on {settings.images:,} images of `mnist_15k.npz` at 28x28, "
        "including building and validation. The plain script (`scripts/bench/plain_loop.py`) "
        "trains one network after the other with a `DataLoader`, in float32, with torch's default "
        f"of {threads} threads. `Training` and each worker of `Parallel` use one thread, and "
        'float32 unless stated otherwise. `precision="auto"` is the precision that trains faster '
        "on this machine. The first start of processes includes the start of their fork server, "
        "which loads torch.",
        f"{settings.repeats}, taking turns",
        ("what", "seconds", "times plain script", "mean accuracy, %"),
    )
    if settings.mnist.is_file():
        task = load(settings.mnist, settings.images)
        space = SPACES.get("chain")(task.spec.input_shape, task.spec.num_outputs)
        rng = np.random.default_rng(0)
        batch = [space.decode(space.sample(rng)) for _ in range(settings.networks)]
        add(page, *measure(task, batch, settings, threads), settings.networks)
    else:
        page.verdicts.append(f"Skipped, there is no file {settings.mnist.name}.")
    page.write(settings.output)
    return 0
