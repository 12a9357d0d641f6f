"""Measure the time of a decision of `imagination`, for up to 400 networks.

Example: python -m scripts.bench decisions --repeats 5
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import psutil
import torch
from threadpoolctl import threadpool_limits

import nas_env  # noqa: F401 - registers the environments
from nas_env_agents import make_agent
from nas_env_agents.imagination import Imagination
from scripts.bench.page import PAGES, Page, spread, verdict

MEDIAN_MS, LATE_MS = 50.0, 150.0
SEARCHES = {
    "NAS-Bench-201, tree": ("NASBench201-v0", "tree"),
    "NAS-Bench-201, policy": ("NASBench201-v0", "policy"),
    "NASChain, tree": ("NASChain-v0", "tree"),
    "NASChain, policy": ("NASChain-v0", "policy"),
}


@dataclass(frozen=True)
class Options:
    """Measure the time of a decision of `imagination`.

    Attributes:
        evaluations: Networks of a search.
        repeats: Searches with seeds 0, 1, ...; the rows take turns.
        output: Folder of the page.
    """

    evaluations: int = 400
    repeats: int = 3
    output: Path = PAGES


def decisions(env_id: str, planner: str, evaluations: int, seed: int) -> tuple[list[float], float]:
    """Return the milliseconds of each decision after the random ones, refits included.

    Also return the growth of the process since the first fit, in MB.
    """
    agent = make_agent("imagination", gymnasium.make(env_id), seed=seed, planner=planner)
    assert isinstance(agent, Imagination)
    propose, times = agent.propose, list[float]()
    process, grown = psutil.Process(), list[float]()

    def timed() -> tuple[int, ...]:
        started = time.perf_counter()
        walk = propose()
        if len(agent.model) >= agent.initial:
            times.append(1000 * (time.perf_counter() - started))
            grown.append(process.memory_info().rss / 1e6)
        return walk

    agent.propose = timed  # type: ignore[method-assign]
    while len(agent.model) < evaluations:
        agent.learn(1)
    return times, grown[-1] - grown[0]


def run(settings: Options) -> int:
    """Measure and write the page."""
    torch.set_num_threads(1)
    page = Page(
        "decisions",
        "Time of a decision of `imagination`",
        f"All decisions after the random ones, in searches of {settings.evaluations} networks. "
        "The time of a fit counts for the decision that triggers it. One thread. The look-up in "
        "the table takes microseconds and is not counted.",
        f"{settings.repeats} searches, taking turns",
        ("search", "median, ms", "95th percentile, ms", "longest, ms", "memory growth, MB"),
    )
    results: dict[str, list[tuple[list[float], float]]] = {name: [] for name in SEARCHES}
    with threadpool_limits(1):
        for seed in range(settings.repeats):
            for name, (env_id, planner) in SEARCHES.items():
                results[name].append(decisions(env_id, planner, settings.evaluations, seed))
    for name, runs in results.items():
        medians = [statistics.median(times) for times, _ in runs]
        late = [float(np.percentile(times, 95)) for times, _ in runs]
        longest, grown = [max(times) for times, _ in runs], [size for _, size in runs]
        cells = (medians, late, longest, grown)
        page.rows.append((name, *(spread(values, 1) for values in cells)))
        aim = f"{name}: median at most {MEDIAN_MS:.0f} ms, 95th percentile at most {LATE_MS:.0f} ms"
        page.verdicts.append(verdict(aim, max(medians) <= MEDIAN_MS and max(late) <= LATE_MS))
    page.write(settings.output)
    return 0
