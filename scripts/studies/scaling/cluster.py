"""A simulated cluster: workers that train, and one head that does everything else.

The head decides, receives results and stores them, one after the other. Workers take the training
time of a network. Nothing else is modelled: no failures, no slow nodes, no network traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import ceil, log2
from typing import NamedTuple, Protocol


class Costs(NamedTuple):
    """Costs of the engine, in seconds.

    Attributes:
        decision: Head: choose a network.
        handling: Head: send a network and receive its result.
        writing: Head: store a result.
        latency: Worker: latency for each network.
        shipping: Transfer of the data before the first network can start.
        update: Head: between two batches.
    """

    decision: float = 0.0
    handling: float = 0.0
    writing: float = 0.0
    latency: float = 0.0
    shipping: float = 0.0
    update: float = 0.0

    @property
    def result(self) -> float:
        """Seconds of the head for one result."""
        return self.handling + self.writing


class Search(Protocol):
    """A search, which chooses networks by their numbers."""

    def propose(self) -> int | None:
        """Return the next network, or None if no network is left."""

    def tell(self, network: int) -> None:
        """Receive the result of a network."""


@dataclass
class Run:
    """The record of a simulated search.

    Attributes:
        times: Time of each result, ascending.
        networks: Network of each result.
        busy: Total seconds that workers spent on training.
    """

    times: list[float] = field(default_factory=list)
    networks: list[int] = field(default_factory=list)
    busy: float = 0.0

    def share_busy(self, workers: int, until: float) -> float:
        """Return the share of the workers' time that was spent on training."""
        return self.busy / (workers * until)

    def _train(self, start: float, seconds: float, until: float) -> None:
        self.busy += max(0.0, min(seconds, until - start))

    def _know(self, time: float, network: int) -> None:
        self.times.append(time)
        self.networks.append(network)


def asynchronous(
    search: Search, seconds: Sequence[float], workers: int, costs: Costs, until: float
) -> Run:
    """Give each free worker a network immediately; decisions use all results so far.

    Args:
        search: The search.
        seconds: Training time of each network.
        workers: Number of workers.
        costs: Of the engine; `update` is not used.
        until: End of the simulation, in seconds.
    """
    under_way: list[tuple[float, float, int]] = []  # end, start, network
    run, head = Run(), costs.shipping
    for _ in range(workers):
        head = _begin(search, seconds, costs, head, under_way)
    while under_way:
        end, start, network = heappop(under_way)
        run._train(start, seconds[network], until)
        head = max(head, end) + costs.result
        if head > until:
            continue
        run._know(head, network)
        search.tell(network)
        head = _begin(search, seconds, costs, head, under_way)
    return run


def _begin(
    search: Search,
    seconds: Sequence[float],
    costs: Costs,
    head: float,
    under_way: list[tuple[float, float, int]],
) -> float:
    """Start a worker, and return the time at which the head is free again."""
    network = search.propose()
    if network is None:
        return head
    head += costs.decision
    start = head + costs.latency
    heappush(under_way, (start + seconds[network], start, network))
    return head


def in_batches(
    search: Search, seconds: Sequence[float], workers: int, batch: int, costs: Costs, until: float
) -> Run:
    """Choose a batch, train all of it (the longest first), then choose the next one.

    Args:
        search: The search.
        seconds: Training time of each network.
        workers: Number of workers.
        batch: Networks of a batch.
        costs: Of the engine.
        until: End of the simulation, in seconds.
    """
    run, head = Run(), costs.shipping
    while head < until:
        chosen = [x for _ in range(batch) if (x := search.propose()) is not None]
        if not chosen:
            break
        head += len(chosen) * costs.decision
        free = [head] * workers
        heapify(free)
        ends = []
        for network in sorted(chosen, key=lambda x: -seconds[x]):
            start = heappop(free) + costs.latency
            run._train(start, seconds[network], until)
            ends.append((start + seconds[network], network))
            heappush(free, ends[-1][0])
        for end, network in sorted(ends):
            head = max(head, end) + costs.result
            if head <= until:
                run._know(head, network)
        for network in chosen:
            search.tell(network)
        head += costs.update
    return run


def shipping_seconds(megabytes: float, gigabits: float, nodes: int, tree: bool) -> float:
    """Return the seconds until all nodes have the data of the head.

    Args:
        megabytes: Size of the data, in 10^6 bytes.
        gigabits: Bandwidth of a node, in 10^9 bits per second.
        nodes: Number of nodes without the head.
        tree: Whether nodes forward the data; otherwise the head sends all copies.
    """
    once = megabytes * 8e6 / (gigabits * 1e9)
    return once * (ceil(log2(nodes + 1)) if tree else nodes)
