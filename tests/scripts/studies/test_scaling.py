"""The simulation behind docs/scaling.md, against cases worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.studies.scaling.cluster import Costs, asynchronous, in_batches, shipping_seconds
from scripts.studies.scaling.simulation import Options, efficiency, figures, modes
from scripts.studies.scaling.table_searches import Evolution, Random, best_so_far

FREE = Costs()


class InOrder:
    """Proposes 0, 1, 2, ... and notes how many results it knew each time."""

    def __init__(self, networks: int) -> None:
        self.networks, self.next, self.told = networks, 0, 0
        self.knew: list[int] = []

    def propose(self) -> int | None:
        if self.next == self.networks:
            return None
        self.knew.append(self.told)
        self.next += 1
        return self.next - 1

    def tell(self, network: int) -> None:
        self.told += 1


def test_a_worker_that_is_free_begins_at_once() -> None:
    """Of two workers one trains 0 until 3 and 2 until 5, the other 1 until 4 and 3 until 5."""
    search = InOrder(4)
    run = asynchronous(search, [3, 4, 2, 1], 2, FREE, until=10)
    assert run.times == [3, 4, 5, 5]
    assert run.networks[:2] == [0, 1]
    assert run.busy == 10
    assert run.share_busy(2, 10) == 0.5
    assert search.knew == [0, 0, 1, 2]


def test_a_batch_waits_for_its_slowest() -> None:
    """The second batch begins at 4: 2 from 4 to 6, 3 from 4 to 5."""
    search = InOrder(4)
    run = in_batches(search, [3, 4, 2, 1], 2, 2, FREE, until=10)
    assert run.times == [3, 4, 5, 6]
    assert run.networks == [0, 1, 3, 2]
    assert run.busy == 10
    assert search.knew == [0, 0, 2, 2]


def test_the_longest_of_a_batch_begin_first() -> None:
    """Two workers: 4 alone, 3 then 1; in the order given it would last 5."""
    run = in_batches(InOrder(3), [1, 3, 4], 2, 3, FREE, until=10)
    assert run.times[-1] == 4


def test_time_that_is_over_cuts_trainings() -> None:
    run = asynchronous(InOrder(2), [3, 9], 2, FREE, until=5)
    assert run.networks == [0]
    assert run.busy == 3 + 5
    assert in_batches(InOrder(2), [3, 9], 2, 2, FREE, until=5).busy == 3 + 5


def test_the_head_does_one_thing_after_the_other() -> None:
    """Decided at 1 and 2; both end at 12 and 11; results take 3 each: known at 14 and 17."""
    costs = Costs(decision=1, handling=2, writing=1)
    run = asynchronous(InOrder(2), [11, 9], 2, costs, until=100)
    assert run.times == [14, 17]
    assert run.networks == [1, 0]


def test_every_cost_has_its_place() -> None:
    """Shipped at 5, both decided at 7, begun at 7.5, ended at 8.5, known at 10.5 and 12.5."""
    costs = Costs(decision=1, handling=2, latency=0.5, shipping=5, update=100)
    run = in_batches(InOrder(4), [1, 1, 1, 1], 2, 2, costs, until=50)
    assert run.times == [10.5, 12.5]
    run = in_batches(InOrder(4), [1, 1, 1, 1], 2, 2, costs, until=500)
    assert run.times[2] == 12.5 + 100 + 2 + 0.5 + 1 + 2


def test_the_head_limits_how_many_workers_it_keeps_busy() -> None:
    """At 0.1 s a result it feeds ten trainings of 1 s, whatever the number of workers."""
    costs = Costs(handling=0.1)
    for workers in (20, 100):
        run = asynchronous(InOrder(10_000), [1.0] * 10_000, workers, costs, until=100)
        assert len(run.times) == pytest.approx(990, abs=10)


def test_data_travel_as_a_tree_or_from_the_head() -> None:
    assert shipping_seconds(125, 1, nodes=7, tree=False) == 7
    assert shipping_seconds(125, 1, nodes=7, tree=True) == 3
    assert shipping_seconds(125, 10, nodes=1, tree=True) == pytest.approx(0.1)


def walks(options: int, places: int) -> np.ndarray:
    return np.stack(np.meshgrid(*[range(options)] * places), -1).reshape(-1, places)


@pytest.mark.parametrize("kind", ["random", "evolution"])
def test_a_search_proposes_every_network_once(kind: str) -> None:
    space = walks(3, 4).astype(np.int16)
    scores = space.sum(axis=1).tolist()
    search = Random(81, 0) if kind == "random" else Evolution(space, scores, 0)
    found = []
    while (network := search.propose()) is not None:
        found.append(network)
        search.tell(network)
    assert sorted(found) == list(range(81))


def test_a_child_differs_from_a_member_in_one_place() -> None:
    space = walks(5, 6).astype(np.int16)
    search = Evolution(space, space.sum(axis=1).tolist(), 0)
    for _ in range(10):
        search.tell(search.propose())
    for _ in range(50):
        child = search._child()
        distances = (space[list(search.population)] != space[child]).sum(axis=1)
        assert 1 in distances
        search.tell(child)


def test_evolution_climbs_faster_than_random() -> None:
    """The best of 200 random walks of six digits has 21.0 of 24 on average, over 30 seeds."""
    space = walks(5, 6).astype(np.int16)
    scores = space.sum(axis=1)

    def best(kind: str, seed: int) -> int:
        made = Random(len(space), seed)
        search = made if kind == "random" else Evolution(space, scores.tolist(), seed)
        run = asynchronous(search, [1.0] * len(space), 1, FREE, until=200)
        return int(scores[run.networks].max())

    random, evolution = (
        np.mean([best(kind, seed) for seed in range(10)]) for kind in ("random", "evolution")
    )
    assert random < 22 < 22.5 < evolution


def test_best_so_far_keeps_the_first_of_equals() -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.3, 0.9])
    assert best_so_far(scores, [3, 0, 2, 1, 4]).tolist() == [3, 3, 2, 2, 4]


def test_the_bottleneck_is_the_cost_without_which_most_is_gained() -> None:
    settings, seconds = Options(), np.array([1.0, 1.0])
    stream = modes(settings)["asynchronous"]
    assert efficiency(stream, seconds, 10, Costs(writing=0.5), 20).cause == "store writes"
    assert efficiency(stream, seconds, 2, Costs(shipping=5.0), 20).cause == "shipping the data"
    assert efficiency(stream, seconds, 2, FREE, 20) == (1.0, "nothing", 0.0)
    uneven = np.array([1.0, 9.0])
    batches = modes(settings)["batches of as many as workers"]
    assert efficiency(batches, uneven, 10, FREE, 20).cause == "stragglers"
    rollouts = modes(Options(rollout=5))["PPO, rollouts of 5"]
    found = efficiency(rollouts, seconds, 10, FREE, 20)
    assert found == (0.5, "too few networks in a batch", 0.5)
    assert rollouts.unfilled(4) == pytest.approx(8 / 5 - 1)


def test_measured_figures_are_read_where_there_are_some(tmp_path: Path) -> None:
    assert figures(Options(measured=tmp_path)).latency_ms.source == "assumed"
    (tmp_path / "store.md").write_text("| PostgreSQL | 9 | 8 | 7 | 6 | 0 | 1,234.5 (1 to 2) |\n")
    (tmp_path / "overhead.md").write_text(
        "| `Ray`, one at a time | 7.5 (7 to 8) | 1 |\n| `Ray`, one batch for 2 | 1.25 (1 to 2) |\n"
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "store.md").write_text("| PostgreSQL | 9 | 8 | 7 | 6 | 0 |\n")
    assert figures(Options(measured=tmp_path / "other")).storing_ms.source == "assumed"
    found = figures(Options(measured=tmp_path))
    assert [x.value for x in found] == [1.25, 7.5, 1234.5]
    assert figures(Options(measured=tmp_path, latency_ms=3)).latency_ms == (3, "given")
