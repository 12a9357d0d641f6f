"""A cluster whose time is counted, not spent: workers that train, and one head that does the rest.

The head decides, takes results in and stores them, one thing after the other; workers take as long
as a network takes. Nothing else is modelled: no failures, no slow nodes, no network in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import ceil, log2
from typing import NamedTuple, Protocol


class Costs(NamedTuple):
    """What the engine costs, in seconds.

    Attributes:
        decision: Of the head, to choose a network.
        handling: Of the head, to send a network and take its result in.
        writing: Of the head, to store a result.
        latency: Of the worker, for each network.
        shipping: Until the first network can begin, for the data.
        update: Of the head, between two batches.
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
    """Who chooses the networks, by their numbers."""

    def propose(self) -> int | None:
        """Return the next network, None where none is left."""

    def tell(self, network: int) -> None:
        """Take in that a network's result is known."""


@dataclass
class Run:
    """What a simulated search did until its time was over.

    Attributes:
        times: When each result was known, ascending.
        networks: Whose result it was.
        busy: Seconds that workers spent on training, all together.
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
    """Give every worker that is free a network at once; decisions know all results until then.

    Args:
        search: Who chooses.
        seconds: Training time of each network.
        workers: How many train at once.
        costs: Of the engine; `update` is not used.
        until: When the time is over, in seconds.
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
    """Let a worker begin, and return when the head is free again."""
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
    """Choose a batch, train all of it, the longest first, then choose the next knowing it all.

    Args:
        search: Who chooses.
        seconds: Training time of each network.
        workers: How many train at once.
        batch: Networks of a batch.
        costs: Of the engine.
        until: When the time is over, in seconds.
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
    """Return how long it takes until all nodes have the data of the head.

    Args:
        megabytes: Of the data, 10^6 bytes.
        gigabits: 10^9 bits a second that a node sends.
        nodes: How many need them, the head not counted.
        tree: Whether each node that has them sends them on; otherwise the head sends them all.
    """
    once = megabytes * 8e6 / (gigabits * 1e9)
    return once * (ceil(log2(nodes + 1)) if tree else nodes)
