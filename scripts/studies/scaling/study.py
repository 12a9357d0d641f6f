"""Write docs/scaling.md: what limits a search at 10, 100, 1,000 and 10,000 workers.

A short event simulation over NAS-Bench-201's real training times; no network is trained.

Example: python -m scripts.studies scaling
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import matplotlib

from nas_env.tables import TABLES, Table
from scripts.studies.common.pages import save_page
from scripts.studies.scaling.charts import draw_efficiency, draw_quality
from scripts.studies.scaling.cluster import shipping_seconds
from scripts.studies.scaling.simulation import (
    SEARCHES,
    SEEN,
    Cell,
    Curve,
    Figures,
    Options,
    at_count,
    at_time,
    costs,
    curves,
    efficiencies,
    figures,
    mean_sd,
    scales_of,
)

MEGABYTES, GIGABITS = (10, 170, 2000), (1, 10)


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True)
class Page:
    """The page and its content."""

    settings: Options
    engine_costs: Figures
    table: Table
    shares: dict[str, dict[str, list[Cell]]]
    runs: dict[tuple[str, int], list[Curve]]
    pictures: str

    def text(self) -> str:
        """Return the page."""
        parts = (self.top, self.busy, self.quality, self.staleness, self.limits, self.missing)
        return "\n\n".join(part() for part in parts) + "\n"

    def top(self) -> str:
        """Return the heading and the costs."""
        settings, engine_costs = self.settings, self.engine_costs
        rows = [
            ["head: choosing a network", f"{settings.decision_ms:g} ms", "assumed"],
            ["head: a PPO update with its decisions", f"{settings.update_seconds:g} s", "assumed"],
            [
                "head: a task to Ray and back",
                f"{engine_costs.handling_ms.value:.3g} ms",
                engine_costs.handling_ms.source,
            ],
            [
                "head: storing a result, two commits",
                f"{engine_costs.storing_ms.value:.3g} ms",
                engine_costs.storing_ms.source,
            ],
            [
                "worker: latency",
                f"{engine_costs.latency_ms.value:.3g} ms",
                engine_costs.latency_ms.source,
            ],
            [
                "data before the first training",
                f"{settings.megabytes:g} MB",
                f"{settings.gigabits:g} Gbit/s, a copy for {settings.workers_per_node} workers, "
                "nodes forward it",
            ],
        ]
        return f"""# What limits a search on a cluster

Made by `{command(settings)}`.

This page simulates events for the {len(self.table.walks):,} networks of NAS-Bench-201 on CIFAR-10,
with their real training times (on the authors' GPU). Nothing is trained, and nothing was measured
on a cluster of this size. One head decides, distributes networks and stores results, one after the
other; workers train. The table gives the costs of the engine. Measured costs are upper bounds: the
cost of a task was measured with a batch for a few workers, and the cost of a result with several
processes that share a store.

{table_of(["cost", "value", "source"], rows)}"""

    def busy(self) -> str:
        """Return the utilisation of the workers and the bottlenecks."""
        blocks = []
        for scale, by_mode in self.shares.items():
            rows = [
                [name, *(f"{100 * cell.busy:.0f} %: {cell.cause}" for cell in cells)]
                for name, cells in by_mode.items()
            ]
            head = ["mean training", *(f"{n:,} workers" for n in self.settings.workers)]
            blocks.append(table_of([scale, *head[1:]], rows))
        return f"""## How busy the workers are

Each cell gives the share of the workers' time spent on training, in a search of
{self.settings.trainings} mean training times of random networks, including the transfer of the
data. Then it names the bottleneck: the cost without which the share would increase most.

| bottleneck | the share would increase most if |
| --- | --- |
| stragglers | all trainings took the same time |
| too few networks in a batch | every worker had the same number of networks |
| nothing | no cost takes as much as one percent |

{(chr(10) * 2).join(blocks)}

![Share of the workers' time spent on training]({self.pictures}/efficiency.svg)"""

    def quality(self) -> str:
        """Return the best networks at equal time."""
        mean = float(self.table.seconds[12].mean())
        report, most = self.table.columns["test_200"], len(self.table.walks)
        rows = []
        for (name, workers), runs in self.runs.items():
            times = [at_time(runs, x * mean, report) for x in self.settings.wall_trainings]
            cells = [
                mean_sd(values, self.settings.seeds) if x * workers <= SEEN * most else "-"
                for x, values in zip(self.settings.wall_trainings, times, strict=True)
            ]
            hourly = [3600 * len(result_times) / result_times[-1] for result_times, _ in runs]
            rows.append([f"{workers:,}", name, *cells, f"{sum(hourly) / len(hourly):,.0f}"])
        walls = [f"after {x * mean / 60:.0f} min" for x in self.settings.wall_trainings]
        return f"""## The best network at equal time

Test accuracy after 200 epochs, in percent, of the network with the best 12-epoch validation
accuracy so far; mean ± standard deviation of {self.settings.seeds} seeds. The best such
network of the table has {100 * self.best():.2f}. Evolution has the settings of the agent
(population 10, sample 3). A dash means that more than four fifths of the table would have been
trained. With 10,000 workers this takes two rounds, and no table is large enough to compare
searches.

{table_of(["workers", "search", *walls, "results per hour"], rows)}

![Best network against simulated time]({self.pictures}/quality.svg)"""

    def best(self) -> float:
        """Return the report of the network with the best validation accuracy."""
        return float(self.table.columns["test_200"][self.table.columns["val_12"].argmax()])

    def staleness(self) -> str:
        """Return the best networks at equal numbers of results."""
        report, rows = self.table.columns["test_200"], []
        for (name, workers), runs in self.runs.items():
            values = [at_count(runs, count, report) for count in self.settings.counts]
            cells = [mean_sd(reports, self.settings.seeds) for reports in values]
            rows.append([name, f"{workers:,}", *cells])
        rows.sort(key=lambda row: SEARCHES.index(row[0]))
        counts = [f"after {count:,} results" for count in self.settings.counts]
        return f"""## Cost of early decisions

The same accuracy after equal numbers of results. With more workers, each decision is based on fewer
results, because as many are pending as there are workers, and fast networks finish first.

{table_of(["search", "workers", *counts], rows)}"""

    def limits(self) -> str:
        """Return the limits of head, store and network."""
        cost = costs(self.settings, self.engine_costs, 1)
        head = cost.decision + cost.result
        rows = [
            [
                f"{seconds:,.0f} s",
                f"{seconds / cost.writing:,.0f}",
                f"{seconds / head:,.0f}",
            ]
            for seconds in (1, 10, *(float(x.mean()) for x in self.table.seconds.values()))
        ]
        sizes = [
            [f"{megabytes:,} MB", f"{gigabits} Gbit/s", *self._shipping(megabytes, gigabits)]
            for megabytes in MEGABYTES
            for gigabits in GIGABITS
        ]
        nodes = [f"{n:,} workers" for n in self.settings.workers]
        return f"""## Limits of head, store and network

Maximum number of workers that one head keeps busy, if it only stores results, and with all its
tasks:

{table_of(["mean training", "storing only", "all tasks"], rows)}

Seconds until all nodes ({self.settings.workers_per_node} workers each) have the data: each node
forwards them / the head sends all copies.

{table_of(["data", "network", *nodes], sizes)}"""

    def _shipping(self, megabytes: float, gigabits: float) -> list[str]:
        cells = []
        for workers in self.settings.workers:
            nodes = -(-workers // self.settings.workers_per_node)
            both = [shipping_seconds(megabytes, gigabits, nodes, tree) for tree in (True, False)]
            cells.append(" / ".join(f"{x:,.1f}" for x in both))
        return cells

    def missing(self) -> str:
        """Return what the simulation does not cover."""
        return """## What is left out

The simulation does not cover failures, slow nodes, the start of processes, Ray's scheduler beyond
its cost per task, data that do not fit into memory, and the learning of PPO: its rows show how busy
the workers are, not how good the networks get. Training times are those of one GPU, a linear fit by
the authors of the table. They differ by a factor of seven; with a larger spread, batches perform
worse."""


def run(settings: Options) -> int:
    """Simulate and write the page."""
    matplotlib.use("Agg")
    table, engine_costs = TABLES.get("nasbench201")(), figures(settings)
    shares = efficiencies(settings, engine_costs, scales_of(table))
    runs = curves(settings, engine_costs, table)
    folder = settings.page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    draw_efficiency(shares, settings.workers, folder / "efficiency.svg")
    draw_quality(runs, table.columns["test_200"], folder / "quality.svg")
    page = Page(settings, engine_costs, table, shares, runs, folder.name)
    save_page(settings.page, page.text())
    return 0


def command(settings: Options) -> str:
    """Return the command that makes the page."""
    return "python -m scripts.studies scaling" + "".join(_changed(settings))


def _changed(settings: Options) -> Iterator[str]:
    for item in fields(settings):
        value = getattr(settings, item.name)
        if value != item.default and not isinstance(value, Path):
            words = value if isinstance(value, tuple) else (value,)
            yield f" --{item.name.replace('_', '-')} {' '.join(map(str, words))}"
