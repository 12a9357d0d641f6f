"""Measure the store: processes that write and read evaluations at once, and what gets lost.

Example: python -m scripts.bench store --evaluations 2000
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.store import Entry, EvaluationKey, Record, SearchInfo, SQLStore
from scripts.bench.page import PAGES, Page, spread, verdict
from scripts.bench.private_postgres import NoPostgreSQL, PrivatePostgres

BUDGET = Budget()
LONGEST_HOURS = 3
HIT_MS = 1.0
COLUMNS = (
    "store",
    "written/s",
    "read/s",
    "entered/s",
    "ms per read of one process",
    "lost",
    "ms per result of one process",  # read by scripts/studies/scaling/scaling.py
)


@dataclass(frozen=True)
class Options:
    """Measure the store: processes that write and read evaluations at once, and what gets lost.

    Attributes:
        evaluations: Evaluations that each process writes, and reads again.
        processes: Processes that do so at once.
        repeats: Repeats of each row; the rows take turns.
        output: Folder of the page.
    """

    evaluations: int = 20_000
    processes: int = 4
    repeats: int = 1
    output: Path = PAGES


def record(process: int, number: int) -> Record:
    """Return an evaluation as a short training leaves it, with eight epochs; no two are equal."""
    layers = (Layer.of("linear", units=number + 1), Layer.of("linear", units=process + 1))
    candidate = Candidate(Architecture(layers), walk=(number, process))
    point = {"loss": 1 / (number + 2), "accuracy": 1 - 1 / (number + 2), "seconds": 0.123456}
    metrics = {**point, "params": number, "macs": number, "activation_bytes": number}
    evaluation = Evaluation(Outcome.OK, metrics, (point,) * 8, 8, 1.0)
    key = EvaluationKey.of(candidate, "measured", BUDGET)
    return Record(key, candidate, evaluation, point["accuracy"], "accuracy")


def entry(number: int, written: Record) -> Entry:
    """Return the entry of a search for an evaluation that was written."""
    score = written.score or 0.0
    return Entry(number, number, True, written.key, written.candidate, written.evaluation, score)


class Times(NamedTuple):
    """Lost evaluations and the times of one process, in seconds."""

    lost: int
    writing: float
    reading: float
    entering: float

    @property
    def storing(self) -> float:
        """Seconds for what a search commits: each evaluation, and its entry."""
        return self.writing + self.entering


def work(url: str, process: int, evaluations: int, together: Any, results: Any) -> None:
    """Write all, read all, then enter all into a search, in step with the other processes."""
    store = SQLStore(url)
    records = [record(process, number) for number in range(evaluations)]
    search = store.begin_search(SearchInfo("measured", seed=process))
    together.wait()
    times = [time.perf_counter()]
    for one in records:
        store.put(one)
    times.append(time.perf_counter())
    lost = sum(store.get(one.key) != one.evaluation for one in records)
    times.append(time.perf_counter())
    for number, one in enumerate(records, 1):
        store.enter(search, entry(number, one))
    times.append(time.perf_counter())
    results.put(Times(lost, *(late - early for early, late in pairwise(times))))


def measure(url: str, settings: Options) -> tuple[int, Times]:
    """Let all processes work at once.

    Returns:
        How many evaluations and entries are missing or differ, and the times of the slowest.
    """
    store = SQLStore(url)
    spawning = multiprocessing.get_context("spawn")
    together, results = spawning.Barrier(settings.processes, timeout=600), spawning.Queue()
    running = [
        spawning.Process(target=work, args=(url, number, settings.evaluations, together, results))
        for number in range(settings.processes)
    ]
    for process in running:
        process.start()
    all_times: list[Times] = [results.get(timeout=3600 * LONGEST_HOURS) for _ in running]
    for process in running:
        process.join()
    expected = settings.evaluations * settings.processes
    lost = sum(times.lost for times in all_times) + expected - len(store)
    lost += expected - sum(len(store.entries(search.id)) for search in store.searches())
    store.close()
    return lost, Times(*(max(values) for values in zip(*all_times, strict=True)))


def measured(settings: Options) -> tuple[dict[str, list[tuple[int, Times]]], list[str]]:
    """Return the results by database, and the reason if one was skipped."""
    results: dict[str, list[tuple[int, Times]]] = {"SQLite": []}
    left_out: list[str] = []
    for repeat in range(settings.repeats):
        with tempfile.TemporaryDirectory() as folder:
            results["SQLite"].append(measure(str(Path(folder) / "store.sqlite"), settings))
        try:
            with PrivatePostgres() as server:
                result = measure(server.create(f"repeat{repeat}"), settings)
                results.setdefault("PostgreSQL", []).append(result)
        except NoPostgreSQL as reason:
            left_out = [f"PostgreSQL was left out: {reason}."]
    return results, left_out


def run(settings: Options) -> int:
    """Measure and write the page."""
    results, left_out = measured(settings)
    rows = settings.evaluations * settings.processes
    page = Page(
        "store",
        "Concurrent access to the store",
        f"{settings.processes} processes share one store. Each writes {settings.evaluations:,} "
        "evaluations (8 epochs, one commit each), reads and compares all of them, and enters them "
        "into its search (one commit each). Seconds are those of the slowest process. "
        "Every commit waits for the disk: SQLite in WAL mode with `synchronous=FULL`, PostgreSQL "
        "on the same machine with its default settings. Lost: evaluations and entries that are "
        "missing or differ, over all repeats. A result is an evaluation and its entry, two "
        "commits.",
        f"{settings.repeats}, the rows taking turns",
        COLUMNS,
    )
    for name, repeats in results.items():
        times = [one for _, one in repeats]
        page.rows.append(
            (
                name,
                spread([rows / one.writing for one in times], 0),
                spread([rows / one.reading for one in times], 0),
                spread([rows / one.entering for one in times], 0),
                spread([1000 * one.reading / settings.evaluations for one in times]),
                str(sum(lost for lost, _ in repeats)),
                spread([1000 * one.storing / settings.evaluations for one in times]),
            )
        )
        hits = [1000 * one.reading / settings.evaluations for one in times]
        page.verdicts.append(
            verdict(f"{name}: nothing lost", not sum(lost for lost, _ in repeats))
            + " "
            + verdict(f"a read takes less than {HIT_MS:g} ms", statistics.median(hits) < HIT_MS)
        )
    page.verdicts += left_out
    page.write(settings.output)
    return 0
