"""Measure the overhead of each layer of the evaluation engine.

Example: python -m scripts.bench overhead --repeats 5
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget
from nas_env.evaluators import Cached, Evaluator, Parallel
from nas_env.evaluators.ray import Ray
from nas_env.evaluators.synthetic import Synthetic
from nas_env.objectives import Accuracy
from nas_env.spaces import SPACES
from nas_env.store import SQLStore
from nas_env.tasks import TASKS
from scripts.bench.page import PAGES, Page, spread, verdict

TRAINING_SECONDS = 1.0  # of the evaluation whose share is shown
RAY = "`Ray`, one at a time"
HIT, POOL = "hit of `Cached` in SQLite", "`Parallel`, one at a time"
LIMITS = {HIT: 1.0, POOL: 0.02 * 1000 * TRAINING_SECONDS, RAY: 0.05 * 1000 * TRAINING_SECONDS}  # ms
BUDGET = Budget(epochs=1)


@dataclass(frozen=True)
class Options:
    """Measure the overhead of each layer of the evaluation engine.

    Attributes:
        evaluations: Evaluations of one repeat of a row.
        workers: Worker processes.
        repeats: Repeats; the rows take turns.
        output: Folder of the page.
    """

    evaluations: int = 300
    workers: int = 2
    repeats: int = 5
    output: Path = PAGES


Work = Callable[[list[Candidate]], object]


def one_by_one(evaluator: Evaluator) -> Work:
    """Return a function that evaluates one candidate after the other."""
    return lambda batch: [evaluator.evaluate([candidate], BUDGET) for candidate in batch]


def at_once(evaluator: Evaluator) -> Work:
    """Return a function that evaluates all candidates in one call."""
    return lambda batch: evaluator.evaluate(batch, BUDGET)


def rows(settings: Options, folder: Path, stack: ExitStack) -> Iterator[tuple[str, Work]]:
    """Yield the name and the work of each row."""
    free = Synthetic(TASKS.get("digits")())
    yield "the made-up evaluator itself (`synthetic`)", one_by_one(free)
    yield HIT, one_by_one(Cached(free, SQLStore(folder / "store.sqlite"), Accuracy()))
    pool = stack.enter_context(Parallel(free, settings.workers))
    yield POOL, one_by_one(pool)
    yield f"`Parallel`, one batch for {settings.workers} workers", at_once(pool)
    cluster = stack.enter_context(Ray(free, "local", slots=settings.workers))
    yield RAY, one_by_one(cluster)
    yield f"`Ray`, one batch for {settings.workers} workers", at_once(cluster)


def distinct(count: int) -> list[Candidate]:
    """Return different networks of `chain`."""
    spec = TASKS.get("digits")().spec
    space = SPACES.get("chain")(spec.input_shape, spec.num_outputs)
    rng, candidates = np.random.default_rng(0), dict[str, Candidate]()
    while len(candidates) < count:
        candidate = space.decode(space.sample(rng))
        candidates[candidate.trained_key] = candidate
    return list(candidates.values())


def run(settings: Options) -> int:
    """Measure and write the page."""
    batch = distinct(settings.evaluations)
    page = Page(
        "overhead",
        "Overhead of each layer of the engine",
        f"Time of {settings.evaluations} evaluations through each layer around the evaluator "
        "`synthetic`, which returns scores from memory, so the time is that of the layer. Every "
        "network was evaluated once before. Shares are relative to an evaluation that trains for "
        f"{TRAINING_SECONDS:.0f} s.",
        f"{settings.repeats}, taking turns",
        ("layer", "ms per evaluation", "share of a 1-second training, %"),
    )
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        works = dict(rows(settings, Path(folder), stack))
        milliseconds: dict[str, list[float]] = {name: [] for name in works}
        for repeat in range(settings.repeats + 1):
            for name, work in works.items():
                started = time.perf_counter()
                work(batch)
                if repeat:  # the first warms up, and fills the store
                    milliseconds[name].append(1000 * (time.perf_counter() - started) / len(batch))
    for name, values in milliseconds.items():
        shares = [value / (10 * TRAINING_SECONDS) for value in values]
        page.rows.append((name, spread(values, 3), spread(shares, 3)))
    for name, limit in LIMITS.items():
        aim = f"{name}: less than {limit:.0f} ms"
        page.verdicts.append(verdict(aim, float(np.median(milliseconds[name])) < limit))
    page.write(settings.output)
    return 0
