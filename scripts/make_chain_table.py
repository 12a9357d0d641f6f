"""Train every network of `chain-bench` with three seeds and write the table of `NASChain-v0`.

Every training is committed to the work file as it ends, so the command can be killed and given
again. Workers take the networks in a shuffled order, one seed after the other, so what is there at
any time is a fair sample. Run alone at the end, in one process: latency, and the table itself.

Example: nohup nice python scripts/make_chain_table.py > runs/chain_table.log &
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from agents.search.provenance import versions
from nas_env.architecture import Candidate, canonical_json
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.training import Training
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.store import EvaluationKey, Record, SQLStore
from nas_env.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
SPACE = "chain-bench"
EPOCHS = 6
SEEDS = (0, 1, 2)
MISSING = 65_535  # hits of an epoch that was not reached; the loss there is NaN
# Freed memory is kept: large maps are otherwise mapped anew at every batch, a fifth of the time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1000000000"}
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Settings:
    """Train every network of `chain-bench` with three seeds and write its table."""

    output: Path = ROOT / "nas_env" / "data" / "chain_bench.npz"
    """The table."""
    work: Path = ROOT / "runs" / "chain_table.sqlite"
    """Every training that is finished."""
    workers: int = 2
    """Processes that train, one thread each."""
    limit: int | None = None
    """Only that many networks; all if left out."""
    partial: bool = False
    """Train nothing and write the table of what is there; the rest counts as missing."""
    latency_rounds: int = 3
    """Rounds over all networks in which latency is measured."""
    report_seconds: float = 60.0
    """Seconds between two lines of progress."""


class Job:
    """What each process needs: the space, the task's evaluator, the work file."""

    def __init__(self, work: Path) -> None:
        factory = SPACES.get(SPACE)
        self.task = TASKS.get(factory.default_task)()
        self.space: SearchSpace = factory(self.task.spec.input_shape, self.task.spec.num_outputs)
        self.evaluator = Tested(self.task, device="cpu")
        self.store = SQLStore(work)

    def key(self, walk: Walk, seed: int) -> EvaluationKey:
        """Return where a training is kept."""
        candidate = self.space.decode(walk)
        return EvaluationKey.of(candidate, self.evaluator.fingerprint, budget(seed))

    def train(self, walk: Walk, seed: int) -> None:
        """Train one network and commit it, unless it is there."""
        key = self.key(walk, seed)
        if self.store.get(key) is None:
            candidate = self.space.decode(walk)
            self.store.put(Record(key, candidate, self.evaluator.tested(candidate, budget(seed))))

    def finished(self) -> set[tuple[str, int]]:
        """Return key and seed of every finished training."""
        found: set[tuple[str, int]] = set()
        for seed in SEEDS:
            records = self.store.records(self.evaluator.fingerprint, budget(seed))
            found |= {(candidate.key, seed) for candidate, _ in records}
        return found


class Tested(Training):
    """Training, with the test split and the seconds of the processor beside its metrics."""

    def train(self, candidate: Candidate, budget: Budget) -> Any:
        """Train and remember the network."""
        self.network, curve = super().train(candidate, budget)
        return self.network, curve

    def tested(self, candidate: Candidate, budget: Budget) -> Evaluation:
        """Return the evaluation with "test_accuracy", "test_loss" and "cpu_seconds"."""
        started = time.process_time()
        (evaluation,) = self.evaluate([candidate], budget)
        extra = {"cpu_seconds": time.process_time() - started}
        if evaluation.ok:
            extra |= {f"test_{k}": v for k, v in self.task.test(self.network).items()}
        return replace(evaluation, metrics={**evaluation.metrics, **extra})


def budget(seed: int) -> Budget:
    """Return how each network is trained."""
    return Budget(epochs=EPOCHS, training_seed=seed)


def chosen(space: SearchSpace, limit: int | None) -> list[Walk]:
    """Return the walks to train, shuffled."""
    walks = list(space.enumerate())
    order = np.random.default_rng(0).permutation(len(walks))
    return [walks[index] for index in order[:limit]]


def work_on(jobs: Sequence[tuple[Walk, int]], work: Path) -> None:
    """Train one after the other, as long as the parent lives."""
    torch.set_num_threads(1)
    parent, job = multiprocessing.parent_process(), Job(work)
    warm_up = job.space.decode(jobs[0][0])
    job.evaluator.evaluate([warm_up], Budget(epochs=1))  # or the first would pay for the imports
    for walk, seed in jobs:
        if parent is not None and not parent.is_alive():
            return
        job.train(walk, seed)


def train_all(job: Job, walks: Sequence[Walk], settings: Settings) -> None:
    """Let the workers train whatever is missing."""
    done = job.finished()
    keys = [job.space.decode(walk).key for walk in walks]
    todo = [
        (walk, seed)
        for seed in SEEDS
        for walk, key in zip(walks, keys, strict=True)
        if (key, seed) not in done
    ]
    print(f"{len(walks)} networks x {len(SEEDS)} seeds; {len(todo)} trainings to do", flush=True)
    os.environ.update(KEEP_MEMORY)
    context = multiprocessing.get_context("spawn")
    shares = [todo[worker :: settings.workers] for worker in range(settings.workers)]
    workers = [
        context.Process(target=work_on, args=(share, settings.work), daemon=True)
        for share in shares
        if share
    ]
    for worker in workers:
        worker.start()
    watch(workers, job, len(todo), settings.report_seconds)


def watch(workers: Sequence[Any], job: Job, todo: int, every: float) -> None:
    """Print progress until all workers have ended.

    Raises:
        SystemExit: A worker ended with an error.
    """
    before, started = len(job.store), time.monotonic()
    while any(worker.is_alive() for worker in workers):
        deadline = time.monotonic() + every
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        done, seconds = len(job.store) - before, time.monotonic() - started
        left = f"{(todo - done) * seconds / done / 60:.0f} min left" if done else "no training yet"
        print(f"{done}/{todo} after {seconds / 60:.1f} min, {left}", flush=True)
    if any(worker.exitcode for worker in workers):
        sys.exit("A worker failed; see above. Give the same command again to go on.")


def main(settings: Settings) -> int:
    """Train what is missing and write the table."""
    torch.set_num_threads(1)
    settings.work.parent.mkdir(parents=True, exist_ok=True)
    job = Job(settings.work)
    walks = chosen(job.space, settings.limit)
    if not settings.partial:
        job.store.set("started", canonical_json(versions()))
        train_all(job, walks, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=Settings.__doc__)))
