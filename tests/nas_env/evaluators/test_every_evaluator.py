"""The contract of every evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget, Outcome
from nas_env.evaluators import EVALUATORS, Evaluator, Parallel
from nas_env.network import predict
from nas_env.spaces import SearchSpace
from nas_env.surrogates import SURROGATES, SurrogateTask
from nas_env.tables import TABLES, Table, TableTask
from nas_env.tasks import Task, TaskWithoutData

BUDGET = Budget(epochs=1)
REPORT_COSTS = ("ray", "surrogate", "synthetic", "training")  # and accuracy and loss


@cache
def table() -> Table:
    return TABLES.get("nasbench-graph")(dataset="proteins")


@pytest.fixture
def task(evaluator_name: str, make_task: Callable[[str], Task]) -> Task:
    if evaluator_name == "surrogate":
        return SurrogateTask(SURROGATES.get("accel-nasbench")())
    return TableTask(table()) if evaluator_name == "tabular" else make_task("wine")


@pytest.fixture(params=["inline", "parallel"])
def made(evaluator_name: str, task: Task, request: pytest.FixtureRequest) -> Iterator[Evaluator]:
    if evaluator_name == "ray":
        if request.param == "parallel":
            pytest.skip("a cluster has workers of its own")
        if find_spec("ray") is None:
            pytest.skip("needs nas-env[ray]")
        request.getfixturevalue("local_ray")
    made = EVALUATORS.get(evaluator_name)(task=task, device="cpu", precision="float32")
    with Parallel(made, workers=2) if request.param == "parallel" else made as evaluator:
        yield evaluator


@pytest.fixture
def candidates(task: Task, make_space: Callable[..., SearchSpace]) -> list[Candidate]:
    known: Any = getattr(task, "table", getattr(task, "surrogate", None))
    space = known.make_space(None) if known else make_space("mlp", (13,), 3)
    rng = np.random.default_rng(0)
    return [space.decode(space.sample(rng)) for _ in range(4)]


def numbers(evaluations: list[Any]) -> list[Any]:
    return [replace(x, seconds=0.0) for x in evaluations]


def test_as_many_come_out_in_order_and_repeat(made: Evaluator, candidates: list[Candidate]) -> None:
    batch = [*candidates, candidates[0]]
    found = numbers(made.evaluate(batch, BUDGET))
    assert len(found) == 5
    assert found == numbers(made.evaluate(batch, BUDGET))
    assert found == [numbers(made.evaluate([x], BUDGET))[0] for x in batch]
    assert found[0] == found[4]
    assert len({tuple(sorted(x.metrics.items())) for x in found}) > 1
    streamed = dict(made.stream(batch, BUDGET))
    assert numbers([streamed[i] for i in range(5)]) == found


def test_metrics_are_plain_and_within_their_bounds(
    made: Evaluator, candidates: list[Candidate], task: Task, evaluator_name: str
) -> None:
    for candidate, found in zip(candidates, made.evaluate(candidates, BUDGET), strict=True):
        assert found.ok
        assert found.metrics
        assert all(type(x) in (int, float) for x in found.metrics.values())
        assert all(math.isfinite(x) for x in found.metrics.values())
        assert 0 <= found.metrics.get("accuracy", 0) <= 1
        if not isinstance(task, TaskWithoutData):
            assert found.metrics.get("loss", 0) >= 0
            assert evaluator_name not in REPORT_COSTS or {"accuracy", "loss"} <= set(found.metrics)
        if not isinstance(task, TableTask):  # a table has measured costs of its own
            cost = predict(candidate.architecture, task.spec).to_json()
            reported = cost.keys() & found.metrics.keys()
            assert evaluator_name not in REPORT_COSTS or reported == cost.keys()
            assert {name: found.metrics[name] for name in reported} == {
                name: cost[name] for name in reported
            }


def test_an_impossible_network_is_an_outcome(
    made: Evaluator, task: Task, candidates: list[Candidate]
) -> None:
    impossible = Candidate(Architecture((Layer.of("conv", channels=8, kernel=3),)))
    unknown = Candidate(Architecture((Layer.of("no-such-layer"),)))
    good = Candidate(Architecture((Layer.of("linear", units=8),)))
    if isinstance(task, TaskWithoutData):
        found = made.evaluate([impossible, candidates[0]], BUDGET)
        assert [x.outcome for x in found] == [Outcome.CRASHED, Outcome.OK]
        assert "has no walk" in found[0].message
        return
    found = made.evaluate([impossible, unknown, good], BUDGET)
    assert len(found) == 3
    assert found[2].ok
    if "params" not in found[2].metrics and found[0].ok:
        return  # it does not look at the network, so nothing is impossible
    assert [x.outcome for x in found] == [Outcome.CRASHED, Outcome.CRASHED, Outcome.OK]
    assert "needs a map" in found[0].message
    assert "no-such-layer" in found[1].message


def test_the_synthetic_landscape_is_bounded_and_another_seed_is_another(
    make_task: Callable[[str], Task], make_space: Callable[..., SearchSpace]
) -> None:
    make, task = EVALUATORS.get("synthetic"), make_task("wine")
    space, rng = make_space("mlp", (13,), 3), np.random.default_rng(0)
    candidates = [space.decode(space.sample(rng)) for _ in range(4)]
    landscapes = [
        [x.metrics["accuracy"] for x in make(task=task, seed=seed).evaluate(candidates, BUDGET)]
        for seed in (0, 1)
    ]
    assert landscapes[0] != landscapes[1]
    assert all(0 <= x <= 1 for landscape in landscapes for x in landscape)
    assert make(task=task, seed=0).fingerprint != make(task=task, seed=1).fingerprint
