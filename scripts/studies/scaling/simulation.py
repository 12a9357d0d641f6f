"""The simulations of docs/scaling.md: utilisation of workers and quality of networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.tables import Table
from scripts.studies.scaling.cluster import Costs, Run, asynchronous, in_batches, shipping_seconds
from scripts.studies.scaling.table_searches import Endless, Evolution, Random, best_so_far

ROOT = Path(__file__).resolve().parents[3]
SHORT_SECONDS = 1.0
BUSY = 0.95
SEEN = 0.8  # share of the table beyond which every search finds the best network
ASSUMED = "assumed"


@dataclass(frozen=True)
class Options:
    """Write docs/scaling.md: what limits a search at 10, 100, 1,000 and 10,000 workers."""

    workers: tuple[int, ...] = (10, 100, 1_000, 10_000)
    """Workers that train at once."""
    seeds: int = 30
    """Seeds of every search whose quality is compared."""
    trainings: int = 20
    """Length of a search for the efficiency, in mean training times."""
    wall_trainings: tuple[int, ...] = (5, 20)
    """When the best networks are compared, in mean training times of 12 epochs."""
    counts: tuple[int, ...] = (150, 600)
    """When the best networks are compared, in results."""
    rollout: int = 341
    """Networks of a PPO rollout: 2,048 decisions of six each."""
    decision_ms: float = 1.0
    """Time of the head to choose a network."""
    update_seconds: float = 5.0
    """Time of the head between two rollouts: the policy's update and its decisions."""
    handling_ms: float | None = None
    """Time of the head to send a network to Ray and receive its result; None: as measured."""
    latency_ms: float | None = None
    """Latency of a worker for each network; None: as measured."""
    storing_ms: float | None = None
    """Time of the head to store a result and its entry in the search; None: as measured."""
    megabytes: float = 170.0
    """Size of the data: CIFAR-10 as bytes."""
    gigabits: float = 10.0
    """Bandwidth of each node."""
    workers_per_node: int = 8
    """Workers that share a node and its copy of the data."""
    measured: Path = ROOT / "docs" / "benchmarks"
    """Folder of the measured costs."""
    page: Path = ROOT / "docs" / "scaling.md"
    """The page; its pictures go into the folder with its name."""


class Figure(NamedTuple):
    """A number and its source."""

    value: float
    source: str


class Figures(NamedTuple):
    """Costs of the engine on one machine."""

    handling_ms: Figure
    latency_ms: Figure
    storing_ms: Figure


def figures(settings: Options) -> Figures:
    """Return the costs from the options, or else measured ones, or else assumptions."""
    overhead, store = settings.measured / "overhead.md", settings.measured / "store.md"
    return Figures(
        _figure(settings.handling_ms, overhead, "`Ray`, one batch", 1, 2.0),
        _figure(settings.latency_ms, overhead, "`Ray`, one at a time", 1, 10.0),
        _figure(settings.storing_ms, store, "PostgreSQL", 6, 4.0),
    )


def _figure(setting: float | None, page: Path, row: str, column: int, assumed: float) -> Figure:
    if setting is not None:
        return Figure(setting, "given")
    for line in page.read_text(encoding="utf-8").splitlines() if page.is_file() else ():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) <= column or not cells[0].startswith(row):
            continue
        if match := re.match(r"[\d.,]+", cells[column]):
            return Figure(float(match[0].replace(",", "")), f"measured, benchmarks/{page.name}")
    return Figure(assumed, ASSUMED)


def costs(settings: Options, engine_costs: Figures, workers: int) -> Costs:
    """Return the engine's costs in seconds; nodes forward the data along a tree."""
    nodes = -(-workers // settings.workers_per_node)
    return Costs(
        decision=settings.decision_ms / 1e3,
        handling=engine_costs.handling_ms.value / 1e3,
        writing=engine_costs.storing_ms.value / 1e3,
        latency=engine_costs.latency_ms.value / 1e3,
        shipping=shipping_seconds(settings.megabytes, settings.gigabits, nodes, tree=True),
        update=settings.update_seconds,
    )


Seconds = list[float]
Numbers = NDArray[np.float64]


class Mode(NamedTuple):
    """A way to keep workers busy.

    Attributes:
        run: Called with seconds, workers, costs, until and seed.
        batch: Networks of a batch for a number of workers; None: there are no batches.
    """

    run: Callable[[Seconds, int, Costs, float, int], Run]
    batch: Callable[[int], int] | None = None

    def unfilled(self, workers: int) -> float:
        """Return the share of networks that a batch lacks to fill all workers equally."""
        size = workers if self.batch is None else self.batch(workers)
        return -(-size // workers) * workers / size - 1


def modes(settings: Options) -> dict[str, Mode]:
    """Return the ways to keep workers busy, by name."""

    def batches(size: Callable[[int], int], updates: bool) -> Mode:
        def run(seconds: Seconds, workers: int, cost: Costs, until: float, seed: int) -> Run:
            batch_cost = cost if updates else cost._replace(update=0.0)
            search = Endless(len(seconds), seed)
            return in_batches(search, seconds, workers, size(workers), batch_cost, until)

        return Mode(run, size)

    def stream(seconds: Seconds, workers: int, cost: Costs, until: float, seed: int) -> Run:
        return asynchronous(Endless(len(seconds), seed), seconds, workers, cost, until)

    return {
        "asynchronous": Mode(stream),
        "batches of as many as workers": batches(lambda workers: workers, False),
        "batches of four times as many": batches(lambda workers: 4 * workers, False),
        f"PPO, rollouts of {settings.rollout}": batches(lambda _: settings.rollout, True),
        "PPO, rollouts of four times the workers": batches(lambda workers: 4 * workers, True),
    }


CAUSES = {
    "decision": "the agent's decisions",
    "handling": "the head's handling of tasks",
    "writing": "store writes",
    "latency": "latency of a task",
    "shipping": "shipping the data",
    "update": "the policy's update",
}


class Cell(NamedTuple):
    """Utilisation of the workers, and the bottleneck."""

    busy: float
    cause: str
    gain: float


def efficiency(mode: Mode, seconds: Numbers, workers: int, cost: Costs, trainings: int) -> Cell:
    """Return the busy share, and the cost without which it would grow most."""
    until, plain = trainings * float(seconds.mean()), seconds.tolist()

    def share(seconds: Seconds, cost: Costs) -> float:
        return mode.run(seconds, workers, cost, until, 0).share_busy(workers, until)

    busy = share(plain, cost)
    gains = {text: share(plain, cost._replace(**{x: 0.0})) - busy for x, text in CAUSES.items()}
    gains["stragglers"] = share([float(seconds.mean())] * len(plain), cost) - busy
    gains["too few networks in a batch"] = min(busy * mode.unfilled(workers), 1 - busy)
    cause = max(gains, key=lambda text: gains[text])
    if gains[cause] < 0.01:
        cause = "nothing" if busy > BUSY else "the head, by no single cost"
    return Cell(busy, cause, max(gains.values()))


def efficiencies(
    settings: Options, engine_costs: Figures, scales: dict[str, Numbers]
) -> dict[str, dict[str, list[Cell]]]:
    """Return for each length of training and each mode a cell for each number of workers."""
    return {
        scale: {
            name: [
                efficiency(mode, seconds, n, costs(settings, engine_costs, n), settings.trainings)
                for n in settings.workers
            ]
            for name, mode in modes(settings).items()
        }
        for scale, seconds in scales.items()
    }


SEARCHES = ("random, asynchronous", "evolution, asynchronous", "evolution, batches")


def search_run(
    name: str, table: Table, workers: int, cost: Costs, until: float, seed: int
) -> tuple[Numbers, NDArray[np.int64]]:
    """Return the time of each result of a search, and the best network at that time."""
    scores, seconds = table.columns["val_12"], table.seconds[12].tolist()
    search: Random | Evolution = Random(len(scores), seed)
    if name.startswith("evolution"):
        search = Evolution(table.walks, scores.tolist(), seed)
    if name.endswith("batches"):
        run = in_batches(search, seconds, workers, workers, cost._replace(update=0.0), until)
    else:
        run = asynchronous(search, seconds, workers, cost, until)
    return np.array(run.times), best_so_far(scores, run.networks)


Curve = tuple[Numbers, NDArray[np.int64]]


def curves(
    settings: Options, engine_costs: Figures, table: Table
) -> dict[tuple[str, int], list[Curve]]:
    """Return the runs of every search by its name and number of workers, one for each seed."""
    most, mean = len(table.walks), float(table.seconds[12].mean())
    result = {}
    for workers in (1, *settings.workers):
        longest = max(*settings.wall_trainings, 2 * max(settings.counts) / workers)
        trainings = min(longest, SEEN * most / workers)
        if trainings < min(settings.wall_trainings):
            continue
        cost = costs(settings, engine_costs, workers)
        for name in SEARCHES:
            result[name, workers] = [
                search_run(name, table, workers, cost, trainings * mean, seed)
                for seed in range(settings.seeds)
            ]
    return result


def at_time(runs: Sequence[Curve], seconds: float, report: Numbers) -> list[float]:
    """Return the report of each seed's best network at a time, in percent."""
    return [
        100 * float(report[best[np.searchsorted(times, seconds, side="right") - 1]])
        for times, best in runs
        if len(times) and times[0] <= seconds
    ]


def at_count(runs: Sequence[Curve], count: int, report: Numbers) -> list[float]:
    """Return the report of each seed's best network after `count` results, in percent."""
    return [100 * float(report[best[count - 1]]) for _, best in runs if len(best) >= count]


def mean_sd(values: Sequence[float], seeds: int) -> str:
    """Return "mean ± sd"; a dash if a seed has no value."""
    if len(values) < seeds:
        return "-"
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1) if seeds > 1 else 0:.2f}"


def scales_of(table: Table) -> dict[str, Numbers]:
    """Return the training times, by their mean."""
    short = table.seconds[12] / table.seconds[12].mean() * SHORT_SECONDS
    return {
        f"{SHORT_SECONDS:.0f} s (the 12-epoch times, scaled)": short,
        f"{table.seconds[12].mean():.0f} s (12 epochs)": table.seconds[12],
        f"{table.seconds[200].mean():.0f} s (200 epochs)": table.seconds[200],
    }
