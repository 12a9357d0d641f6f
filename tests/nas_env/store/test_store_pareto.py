"""Pareto sets of a store, in memory, in a file and in PostgreSQL."""

from __future__ import annotations

import time
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.pareto import non_dominated
from nas_env.store import Entry, EvaluationKey, Record, Store
from tests.nas_env.store.store_examples import BUDGET, CANDIDATE, FAILED, INFO, entry

REFERENCE = {"accuracy": 0.5, "params": 200}
GOOD = {8: (0.9, 100), 16: (0.8, 50), 32: (0.85, 120), 64: (0.8, 60)}  # units: accuracy, params


def network(units: int) -> Candidate:
    return Candidate(Architecture((Layer.of("linear", units=units),)))


def put(
    store: Store,
    units: int,
    evaluation: Evaluation,
    fingerprint: str = "f",
    budget: Budget = BUDGET,
) -> None:
    candidate = network(units)
    key = EvaluationKey.of(candidate, fingerprint, budget)
    store.put(Record(key, candidate, evaluation))


def found(accuracy: float, params: int, **more: float) -> Evaluation:
    return Evaluation(Outcome.OK, {"accuracy": accuracy, "params": params, **more})


@pytest.fixture
def filled(store: Store) -> Store:
    for units, (accuracy, params) in GOOD.items():
        put(store, units, found(accuracy, params, latency_ms=1000.0 / params))
    put(store, 128, FAILED)
    put(store, 256, found(float("nan"), 1))
    put(store, 512, Evaluation(Outcome.OK, {"accuracy": 1.0}))
    return store


def test_the_set_is_what_no_other_dominates(filled: Store) -> None:
    front = filled.pareto("accuracy", "params")
    assert [x.values for x in front.members] == [
        {"accuracy": 0.9, "params": 100},
        {"accuracy": 0.8, "params": 50},
    ]
    assert [x.candidate for x in front.members] == [network(8), network(16)]
    assert front.members[0].evaluation == found(0.9, 100, latency_ms=10.0)
    assert front.points.tolist() == [[0.9, 100.0], [0.8, 50.0]] and len(front) == 2
    assert (front.compared, front.failed, front.lacking) == (4, 1, 2)
    assert front.hypervolume(REFERENCE) == pytest.approx(0.4 * 100 + 0.3 * 50)
    assert filled.pareto() == front


def test_any_metrics_in_any_number(filled: Store) -> None:
    fastest = filled.pareto("params", "latency_ms")  # who has most has the least latency
    assert [x.values["params"] for x in fastest.members] == [120]
    three = filled.pareto("accuracy", ("params", "latency_ms"))
    assert [x.values["accuracy"] for x in three.members] == [0.9, 0.85, 0.8, 0.8]
    least = filled.pareto((), "params")
    assert [x.candidate for x in least.members] == [network(256)]
    assert least.lacking == 1, "where accuracy is no number, parameters may be known"
    assert three.hypervolume({**REFERENCE, "latency_ms": 100.0}) > 0


def test_equal_networks_are_all_there(store: Store) -> None:
    for units in (1, 2, 3):
        put(store, units, found(0.5 + 0.1 * (units > 1), 10))
    assert [x.candidate for x in store.pareto().members] == [network(2), network(3)]


def test_an_empty_store_has_an_empty_set(store: Store) -> None:
    assert store.kinds() == []
    front = store.pareto(maximise="whatever")
    assert (len(front), front.compared, front.points.shape) == (0, 0, (0, 2))
    assert front.hypervolume({"whatever": 0.0, "params": 1.0}) == 0.0
    put(store, 1, FAILED)
    assert store.pareto().failed == 1 and len(store.pareto()) == 0


def test_only_one_kind_is_compared(filled: Store) -> None:
    longer = replace(BUDGET, epochs=20)
    put(filled, 8, found(0.99, 100), budget=longer)
    put(filled, 16, found(0.98, 50), fingerprint="g")
    kinds = [(x.fingerprint, x.budget, x.evaluations) for x in filled.kinds()]
    assert kinds == [("f", BUDGET, 7), ("f", longer, 1), ("g", BUDGET, 1)]
    with pytest.raises(InvalidSettingError, match=r"^3 kinds of the evaluations .*fingerprint='g'"):
        filled.pareto()
    with pytest.raises(
        InvalidSettingError, match=r"^2 kinds .*only evaluations of one kind are comparable"
    ):
        filled.pareto(fingerprint="f")
    assert filled.pareto(fingerprint="g").points.tolist() == [[0.98, 50.0]]
    assert filled.pareto(budget=longer).points.tolist() == [[0.99, 100.0]]
    assert len(filled.pareto(fingerprint="f", budget=BUDGET)) == 2
    with pytest.raises(InvalidSettingError, match=r"^None of the evaluations .*Give one of"):
        filled.pareto(fingerprint="h")


def test_what_means_nothing_is_refused(filled: Store) -> None:
    with pytest.raises(UnknownNameError, match=r"'acuracy'. Did you mean 'accuracy'"):
        filled.pareto("acuracy")
    for maximise, minimise in (((), ()), ("params", "params")):
        with pytest.raises(InvalidSettingError, match="must be distinct"):
            filled.pareto(maximise, minimise)
    for reference in ({"accuracy": 0.5}, {**REFERENCE, "loss": 1.0}):
        with pytest.raises(InvalidSettingError, match="each of accuracy, params and no other"):
            filled.pareto().hypervolume(reference)


def test_a_search_has_a_set_of_its_own_also_of_free_answers(store: Store) -> None:
    number = store.begin_search(INFO)
    store.enter(
        number,
        entry(1, found(0.9, 100), new=True),
        entry(2, found(0.9, 100), new=False),
        entry(3, found(0.7, 10), new=True, key=entry().key._replace(candidate_key="other")),
        entry(4, FAILED, new=True, key=entry().key._replace(candidate_key="failed")),
    )
    front = store.pareto(search=number)
    assert [x.values for x in front.members] == [
        {"accuracy": 0.9, "params": 100},
        {"accuracy": 0.7, "params": 10},
    ]
    assert front.members[0].candidate == CANDIDATE
    assert (front.compared, front.failed) == (2, 1)
    assert len(store.pareto()) == 0, "nothing was put"
    assert len(store.pareto(search=number + 1)) == 0


def test_a_search_of_a_table(store: Store) -> None:
    env = gym.make("NASBench201-v0", hardware="edgegpu").unwrapped
    env.action_space.seed(0)
    number, points = store.begin_search(INFO), []
    for trial in range(1, 31):
        env.reset(seed=0 if trial == 1 else None)
        done = False
        while not done:
            _, reward, done, _, info = env.step(env.action_space.sample())
        inner = env
        key = EvaluationKey.of(inner.candidate, inner.evaluator.fingerprint, inner.budget)
        values = (trial, trial, True, key, inner.candidate, inner.evaluation, float(reward))
        store.enter(number, Entry(*values))
        points.append((-info["evaluation"]["accuracy"], info["evaluation"]["latency_ms"]))
    front = store.pareto("accuracy", "latency_ms", search=number)
    wanted = np.array(points)[non_dominated(points)]
    assert sorted((front.points * (-1, 1)).tolist()) == sorted(np.unique(wanted, axis=0).tolist())
    assert front.compared == 30


def test_ten_thousand_evaluations(url: str) -> None:
    """The records of most networks are not read for it; comparing all pairs would take minutes."""
    from sqlalchemy import insert

    from nas_env.store import SQLStore
    from nas_env.store.rows import evaluation_row
    from nas_env.store.schema import EVALUATIONS

    store, rng = SQLStore(url), np.random.default_rng(0)
    rows = []
    for units in range(1, 10_001):
        candidate = network(units)
        key = EvaluationKey.of(candidate, "f", BUDGET)
        evaluation = found(float(rng.random()), int(rng.integers(1_000_000)), loss=rng.random())
        rows.append(evaluation_row(Record(key, candidate, evaluation)))
    store.database.write(lambda connection: connection.execute(insert(EVALUATIONS), rows))
    started = time.process_time()
    front = store.pareto("accuracy", ("params", "loss"))
    assert time.process_time() - started < 15
    points = front.points * (-1, 1, 1)
    assert front.compared == 10_000 and 10 < len(front) < 500
    assert non_dominated(points).all()
