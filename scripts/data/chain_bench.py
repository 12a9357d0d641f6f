"""Train every network of `chain-bench` with three seeds and write the table of `NASChain-v0`.

Every training is committed to the work file as it ends, so a killed command can resume. Workers
take the networks in a shuffled order, one seed after the other, so the finished ones are a random
sample at any time. Latency and the table are computed at the end, in one process.

Example: nohup nice python -m scripts.data chain_bench > runs/chain_table.log &
"""

from __future__ import annotations

import json
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
from numpy.typing import NDArray

from nas_env.architecture import Candidate, canonical_json
from nas_env.evaluation import Budget, Evaluation
from nas_env.evaluators.training import Training
from nas_env.network import build, predict
from nas_env.spaces import SPACES, SearchSpace, Walk
from nas_env.store import EvaluationKey, Record, SQLStore
from nas_env.tasks import TASKS
from nas_env_cli.search.provenance import versions
from scripts.data.datasets import write

ROOT = Path(__file__).resolve().parents[2]
SPACE = "chain-bench"
EPOCHS = 6
SEEDS = (0, 1, 2)
MISSING = 65_535  # hits of an epoch that was not reached; the loss there is NaN
# Keep freed memory: otherwise large maps are allocated for every batch, a fifth of the time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1000000000"}
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Options:
    """Train every network of `chain-bench` with three seeds and write its table."""

    output: Path = ROOT / "nas_env" / "data" / "chain_bench.npz"
    """The table."""
    work: Path = ROOT / "runs" / "chain_table.sqlite"
    """File of finished trainings."""
    workers: int = 2
    """Processes that train, one thread each."""
    limit: int | None = None
    """Number of networks; default: all."""
    partial: bool = False
    """Train nothing and write the table of finished trainings; the rest counts as missing."""
    latency_rounds: int = 3
    """Rounds over all networks in which latency is measured."""
    report_seconds: float = 60.0
    """Seconds between two lines of progress."""


class Job:
    """The resources of each process: the space, the task's evaluator, the work file."""

    def __init__(self, work: Path) -> None:
        factory = SPACES.get(SPACE)
        self.task = TASKS.get(factory.default_task)()
        self.space: SearchSpace = factory(self.task.spec.input_shape, self.task.spec.num_outputs)
        self.evaluator = Tested(self.task, device="cpu")
        self.store = SQLStore(work)

    def key(self, walk: Walk, seed: int) -> EvaluationKey:
        """Return the key of a training in the work file."""
        candidate = self.space.decode(walk)
        return EvaluationKey.of(candidate, self.evaluator.fingerprint, budget(seed))

    def train(self, walk: Walk, seed: int) -> None:
        """Train one network and commit it, unless it is finished."""
        key = self.key(walk, seed)
        if self.store.get(key) is None:
            candidate = self.space.decode(walk)
            self.store.put(Record(key, candidate, self.evaluator.tested(candidate, budget(seed))))

    def finished(self) -> set[tuple[str, int]]:
        """Return key and seed of every finished training."""
        keys: set[tuple[str, int]] = set()
        for seed in SEEDS:
            records = self.store.records(self.evaluator.fingerprint, budget(seed))
            keys |= {(candidate.key, seed) for candidate, _ in records}
        return keys


class Tested(Training):
    """Training that adds test metrics and processor seconds to its evaluations."""

    def train(self, candidate: Candidate, budget: Budget, *rest: Any) -> Any:
        """Train and remember the network."""
        self.network, curve = super().train(candidate, budget, *rest)
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
    """Return the budget of each training."""
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
    job.evaluator.evaluate([warm_up], Budget(epochs=1))  # otherwise the first includes the imports
    for walk, seed in jobs:
        if parent is not None and not parent.is_alive():
            return
        job.train(walk, seed)


def train_all(job: Job, walks: Sequence[Walk], settings: Options) -> None:
    """Let the workers do the missing trainings."""
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
        remaining = (
            f"{(todo - done) * seconds / done / 60:.0f} min left" if done else "no training yet"
        )
        print(f"{done}/{todo} after {seconds / 60:.1f} min, {remaining}", flush=True)
    if any(worker.exitcode for worker in workers):
        sys.exit("A worker failed; see above. Run the same command again to resume.")


def table(job: Job, walks: Sequence[Walk]) -> Arrays:
    """Return the table's rows, in the order in which the space enumerates its walks.

    A failed training has `MISSING` hits and NaN losses from the first epoch it did not reach, and
    in the test columns. A missing training also has NaN seconds.
    """
    wanted = set(walks)
    rows = [walk for walk in job.space.enumerate() if walk in wanted]
    padded = np.full((len(rows), job.space.max_length), -1, dtype=np.int8)
    for row, walk in zip(padded, rows, strict=True):
        row[: len(walk)] = walk
    costs = [predict(job.space.decode(walk).architecture, job.task.spec) for walk in rows]
    return {
        "walks": padded,
        **trained(job, rows),
        "params": np.array([cost.params for cost in costs], dtype=np.int32),
        "macs": np.array([cost.macs for cost in costs], dtype=np.int64),
        "sizes": np.array(job.task.spec.sizes[1:], dtype=np.int32),
    }


def trained(job: Job, rows: Sequence[Walk]) -> Arrays:
    """Return the columns of training results."""
    index = {job.space.decode(walk).key: row for row, walk in enumerate(rows)}
    shape = (len(rows), len(SEEDS))
    columns: Arrays = {
        "hits": np.full((*shape, EPOCHS), MISSING, dtype=np.uint16),
        "loss": np.full((*shape, EPOCHS), np.nan, dtype=np.float32),
        "train_loss": np.full((*shape, EPOCHS), np.nan, dtype=np.float32),
        "test_hits": np.full(shape, MISSING, dtype=np.uint16),
        "test_loss": np.full(shape, np.nan, dtype=np.float32),
        "seconds": np.full(shape, np.nan, dtype=np.float32),
    }
    for seed in SEEDS:
        for candidate, evaluation in job.store.records(job.evaluator.fingerprint, budget(seed)):
            if (row := index.get(candidate.key)) is not None:
                enter(columns, (row, SEEDS.index(seed)), evaluation, job.task.spec.sizes)
    return columns


def enter(
    columns: Arrays, cell: tuple[int, int], evaluation: Evaluation, sizes: tuple[int, int, int]
) -> None:
    """Write one training into its cell."""
    columns["seconds"][cell] = evaluation.metrics["cpu_seconds"]
    for epoch, point in enumerate(evaluation.curve):
        columns["hits"][cell][epoch] = round(point["accuracy"] * sizes[1])
        columns["loss"][cell][epoch] = point["loss"]
        columns["train_loss"][cell][epoch] = point["train_loss"]
    if evaluation.ok:
        columns["test_hits"][cell] = round(evaluation.metrics["test_accuracy"] * sizes[2])
        columns["test_loss"][cell] = evaluation.metrics["test_loss"]


@torch.inference_mode()
def latency(job: Job, walks: NDArray[np.int8], rounds: int) -> NDArray[np.float32]:
    """Return the milliseconds of a forward pass of one image on one thread.

    The median over rounds of the median of 25 passes after 5 warm-up passes. Each round measures
    all networks. NaN without rounds.
    """
    image = torch.zeros(1, *job.task.spec.input_shape)
    samples = np.full((max(rounds, 1), len(walks)), np.nan, dtype=np.float32)
    for turn in range(rounds):
        for row, padded in enumerate(walks):
            walk = tuple(int(decision) for decision in padded if decision >= 0)
            network = build(job.space.decode(walk).architecture, job.task.spec).eval()
            times = [timed(network, image) for _ in range(30)][5:]
            samples[turn, row] = np.median(times)
    return np.median(samples, axis=0).astype(np.float32)


def timed(network: torch.nn.Module, image: torch.Tensor) -> float:
    """Return the milliseconds of one forward pass."""
    started = time.perf_counter()
    network(image)
    return 1000 * (time.perf_counter() - started)


def about(job: Job) -> NDArray[np.str_]:
    """Return the description of the table, as JSON."""
    facts = {
        "space": SPACE,
        "task": job.task.fingerprint,
        "evaluator": job.evaluator.fingerprint,
        "recipe": job.space.decode(next(job.space.enumerate())).recipe.to_json(),
        "epochs": EPOCHS,
        "seeds": list(SEEDS),
        "versions": json.loads(job.store.setting("versions") or "{}"),
    }
    return np.array(canonical_json(facts))


def run(settings: Options) -> int:
    """Do the missing trainings and write the table."""
    torch.set_num_threads(1)
    for path in (settings.work, settings.output):
        path.parent.mkdir(parents=True, exist_ok=True)
    job = Job(settings.work)
    walks = chosen(job.space, settings.limit)
    if not settings.partial:
        job.store.set("versions", canonical_json(versions()))
        train_all(job, walks, settings)
    arrays = table(job, walks)
    rounds = 0 if settings.partial else settings.latency_rounds
    arrays["latency_ms"] = latency(job, arrays["walks"], rounds)
    arrays["about"] = about(job)
    write(settings.output, arrays)
    print(f"{settings.output}: {len(arrays['walks'])} rows, {settings.output.stat().st_size} bytes")
    return 0
