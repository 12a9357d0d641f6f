"""Measure the memory of a search and of its worker processes over many evaluations.

Example: python -m scripts.bench engine_memory --evaluations 2000
"""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import psutil

from nas_env.evaluation import Budget
from nas_env.evaluators import Cached, Parallel
from nas_env.evaluators.training import Training
from nas_env.objectives import Accuracy
from nas_env.spaces import SPACES
from nas_env.store import SQLStore
from nas_env.tasks import TASKS
from scripts.bench.page import PAGES, Page, verdict

GROWTH = 1.05
PARENT, WORKERS = "parent", "worker"


@dataclass(frozen=True)
class Options:
    """Measure the memory of a search and of its worker processes over many evaluations.

    Attributes:
        evaluations: Trainings of different networks.
        batch: Evaluations between two measurements of the memory.
        workers: Worker processes.
        output: Folder of the page and the plot.
    """

    evaluations: int = 2000
    batch: int = 20
    workers: int = 2
    output: Path = PAGES


def resident_mb(pids: list[int]) -> list[float]:
    """Return the resident memory of processes, in 10^6 bytes."""
    return [psutil.Process(pid).memory_info().rss / 1e6 for pid in pids]


def measure(settings: Options, folder: Path) -> tuple[dict[str, list[float]], int]:
    """Return the resident memory of each process after every batch, and the number of workers.

    A network that is drawn again gets another training seed, so all are trained.
    """
    task = TASKS.get("wine")()
    space = SPACES.get("mlp")(task.spec.input_shape, task.spec.num_outputs)
    rng, all_pids = np.random.default_rng(0), set[int]()
    store = SQLStore(folder / "store.sqlite")
    megabytes: dict[str, list[float]] = {}
    with Parallel(Training(task, device="cpu"), settings.workers) as parallel:
        cached = Cached(parallel, store, Accuracy())
        for number in range(settings.evaluations // settings.batch):
            batch = [space.decode(space.sample(rng)) for _ in range(settings.batch)]
            cached.evaluate(batch, Budget(epochs=2, training_seed=number))
            pids = parallel.pids()
            all_pids.update(pids)
            sizes = resident_mb([os.getpid(), *pids])
            for name, size in zip(names(settings.workers), sizes, strict=False):
                megabytes.setdefault(name, []).append(size)
        assert len(store) > 0.5 * settings.evaluations  # few networks were drawn twice at once
    return megabytes, len(all_pids)


def names(workers: int) -> list[str]:
    """Return the name of each process."""
    return [PARENT, *(f"{WORKERS} {number + 1}" for number in range(workers))]


def draw(megabytes: dict[str, list[float]], batch: int, path: Path) -> None:
    """Draw the memory of each process over the evaluations."""
    matplotlib.use("Agg")
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, values in megabytes.items():
        axes.plot(np.arange(1, len(values) + 1) * batch, values, label=name)
    axes.set(xlabel="evaluations", ylabel="resident memory, 10^6 bytes", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def run(settings: Options) -> int:
    """Measure, draw and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        megabytes, processes = measure(settings, Path(folder))
    page = Page(
        "engine_memory",
        "Memory of the evaluation engine",
        f"Resident memory of a search and its {settings.workers} worker processes "
        "(`Cached` in SQLite around `Parallel` around `Training`, networks of `mlp` on the wines, "
        f"two epochs), measured after every {settings.batch} of {settings.evaluations:,} "
        "evaluations. Memory pages that workers share with their fork server count for each "
        "process.\n\n"
        "![Resident memory over the evaluations](engine_memory.png)",
        f"1; {processes} worker processes in all",
        ("process", "MB, second quarter", "MB, last quarter", "growth, %"),
    )
    growths = []
    for name, values in megabytes.items():
        quarter = max(1, len(values) // 4)
        before = statistics.median(values[quarter : 2 * quarter] or values)
        after = statistics.median(values[-quarter:])
        growths.append(after / before)
        growth = f"{100 * (after / before - 1):+.1f}"
        page.rows.append((name, f"{before:.0f}", f"{after:.0f}", growth))
    aim = f"no process grows by more than {100 * GROWTH - 100:.0f} %"
    page.verdicts.append(verdict(aim, max(growths) <= GROWTH))
    page.write(settings.output)
    draw(megabytes, settings.batch, settings.output / "engine_memory.png")
    return 0
