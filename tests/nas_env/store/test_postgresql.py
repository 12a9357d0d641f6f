"""PostgreSQL goes away and comes back; a missing driver; who is not let in."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import pytest

import nas_env  # noqa: F401 - registers the ids
from nas_env.architecture import Candidate
from nas_env.errors import StoreError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Evaluator
from nas_env.store import EvaluationKey, SQLStore
from scripts.bench.private_postgres import PrivatePostgres
from tests.nas_env.store.store_examples import EVALUATION, INFO, entry, record

OUTAGE_SECONDS = 10.0


@pytest.fixture
def stopped(server: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """Return the server, which a test may stop; it runs again afterwards."""
    yield server
    server.stop()
    server.start()


def stop_for(server: PrivatePostgres, seconds: float) -> threading.Thread:
    """Stop the server now and start it again after some seconds."""
    server.stop()

    def start() -> None:
        time.sleep(seconds)
        server.start()

    thread = threading.Thread(target=start)
    thread.start()
    return thread


class Counting(Evaluator):
    """Answers at once, with a number that depends on the network, and remembers who asked."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        self.asked += [candidate.trained_key for candidate in candidates]
        return [
            Evaluation(Outcome.OK, {"accuracy": int(x.trained_key[:6], 16) / 16**6})
            for x in candidates
        ]


def test_a_search_waits_while_the_database_is_away(
    postgresql_url: str, stopped: PrivatePostgres, caplog: pytest.LogCaptureFixture
) -> None:
    store = SQLStore(postgresql_url, patience=100)
    evaluator = Counting()
    env: Any = gym.make("NAS-v0", evaluator=evaluator, store=store)
    number = store.begin_search(INFO)
    scores: dict[str, float] = {}
    back: threading.Thread | None = None
    env.reset(seed=0)
    env.action_space.seed(0)
    began = time.monotonic()
    for trial in range(1, 61):
        over = False
        while not over:
            _, reward, over, _, _ = env.step(env.action_space.sample())
        inner = env.unwrapped
        key = EvaluationKey.of(inner.candidate, evaluator.fingerprint, inner.budget)
        scores[key.candidate_key] = float(reward)
        written = entry(
            trial, inner.evaluation, key=key, candidate=inner.candidate, score=float(reward)
        )
        store.enter(number, written)
        env.reset()
        if trial == 30:
            back = stop_for(stopped, OUTAGE_SECONDS)
    store.end_search(number, "evaluations")
    assert back is not None
    back.join()
    assert time.monotonic() - began > OUTAGE_SECONDS, "nothing was away"
    assert "is away" in caplog.text
    assert len(evaluator.asked) == len(set(evaluator.asked)) == len(store) > 30
    rows = {row["candidate_key"]: row["score"] for row in store.rows()}
    assert rows == scores
    assert [x.number for x in store.entries(number)] == list(range(1, 61))
    assert [x.score for x in store.entries(number)] == [
        scores[x.key.candidate_key] for x in store.entries(number)
    ]


def test_a_database_that_is_away_is_not_taken_for_an_empty_one(
    postgresql_url: str, stopped: PrivatePostgres
) -> None:
    store = SQLStore(postgresql_url, patience=0.4)
    store.put(record())
    number = store.begin_search(INFO)
    stopped.stop(signal.SIGQUIT)  # as if it crashed
    asks = {
        "read": [
            lambda: store.get(record().key),
            lambda: store.get(record("never").key),
            lambda: store.setting("precision"),
            lambda: len(store),
            lambda: store.entries(number),
        ],
        "written": [lambda: store.put(record("new")), lambda: store.enter(number, entry())],
    }
    for verb, acts in asks.items():
        for act in acts:
            with pytest.raises(StoreError, match=rf"could not be {verb} \(.*did not answer: check"):
                act()
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"could not be opened \(.*or correct the URL"):
        SQLStore(postgresql_url, patience=100)
    assert time.monotonic() - began < 50, "opening does not wait"
    stopped.start()
    assert store.get(record().key) == EVALUATION
    assert store.get(record("new").key) is None
    assert store.entries(number) == []


def test_who_is_cut_off_in_the_middle_tries_again(postgresql_url: str) -> None:
    """An administrator ends the connection between a statement and its commit."""
    store, other = SQLStore(postgresql_url), SQLStore(postgresql_url)
    store.put(record())
    ended: list[int] = []

    def work(connection: Any) -> int:
        own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        if not ended:
            ended.append(own)
            query = f"SELECT pg_terminate_backend({own}, 10000)"
            other.database.read(lambda c: c.exec_driver_sql(query).scalar_one())
        connection.exec_driver_sql("UPDATE evaluations SET score = score + 1")
        return int(own)

    assert store.database.write(work) != ended[0]
    assert [row["score"] for row in store.rows()] == [1.9]


def test_a_search_begun_twice_by_a_lost_answer_is_one(postgresql_url: str) -> None:
    """The commit was done, the connection lost before its answer came."""
    from sqlalchemy import event

    store, other = SQLStore(postgresql_url), SQLStore(postgresql_url)
    lost: list[int] = []

    def lose(connection: Any) -> None:
        if lost:
            return
        own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        lost.append(own)
        connection.exec_driver_sql("COMMIT")
        query = f"SELECT pg_terminate_backend({own}, 10000)"
        other.database.read(lambda c: c.exec_driver_sql(query).scalar_one())

    event.listen(store.database._writer, "commit", lose)
    number = store.begin_search(INFO)
    assert lost
    assert [x.id for x in other.searches()] == [number]


@pytest.mark.parametrize("form", ["postgresql://", "postgres://"])
def test_the_short_forms_of_the_url_do(postgresql_url: str, form: str) -> None:
    SQLStore(postgresql_url).put(record())
    short = postgresql_url.replace("postgresql+psycopg://", form)
    assert SQLStore(short).get(record().key) == EVALUATION


def test_a_database_that_does_not_exist_is_said(postgresql_url: str) -> None:
    with pytest.raises(StoreError, match=r'opened \(.*database "nowhere" does not exist'):
        SQLStore(postgresql_url.rpartition("/")[0] + "/nowhere")


def test_a_missing_driver_is_named_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from nas_env.store import open_store\n"
        "open_store('postgresql://me@127.0.0.1/nas')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingDependencyError: Stores in PostgreSQL need psycopg" in done.stderr
    assert 'pip install "nas-env[postgresql]"' in done.stderr
