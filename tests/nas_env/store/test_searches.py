"""Every search is recorded: what it was begun with, and the order of its evaluations."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nas_env.errors import StoreError
from nas_env.store import EvaluationKey, Search, SearchInfo, SQLStore, Store
from tests.nas_env.store.store_examples import CANDIDATE, EVALUATION, FAILED, INFO, entry, record


def test_a_search_is_kept_with_all_that_it_was_begun_with(store: Store) -> None:
    number = store.begin_search(INFO)
    assert store.searches() == [Search(number, INFO)]
    other = SearchInfo("ppo")
    assert store.begin_search(other) != number
    assert [search.info for search in store.searches()] == [INFO, other]


def test_a_search_that_ended_says_why(store: Store) -> None:
    number = store.begin_search(INFO)
    store.begin_search(SearchInfo("ppo"))
    store.end_search(number, "evaluations")
    ended, running = store.searches()
    assert ended.ended is not None
    assert ended.ended >= ended.info.started
    assert ended.reason == "evaluations"
    assert (running.ended, running.reason) == (None, None)
    store.end_search(number, "score")  # it was continued
    assert store.searches()[0].reason == "score"
    assert store.begin_search(INFO) == number
    assert store.searches()[0] == replace(ended, ended=None, reason=None), "it runs again"


def test_a_search_begun_again_is_the_same(store: Store) -> None:
    number = store.begin_search(INFO)
    store.enter(number, entry(1))
    assert store.begin_search(replace(INFO, agent="another")) == number
    assert [search.info.agent for search in store.searches()] == ["random"]
    assert store.entries(number) == [entry(1, created=store.entries(number)[0].created)]


def test_entries_come_in_order_as_they_were_entered(store: Store) -> None:
    number, other = store.begin_search(INFO), store.begin_search(SearchInfo("ppo"))
    store.put(record())
    entries = [entry(3), entry(1), entry(2, FAILED, new=True, score=-1.0, seconds=3.5)]
    store.enter(number, *entries[:2])
    store.enter(other, entry(1, score=0.1))
    store.enter(number, entries[2])
    assert store.entries(number) == [entries[1], entries[2], entries[0]]
    assert [x.score for x in store.entries(other)] == [0.1]
    assert store.entries(99) == []


def test_the_first_entry_of_a_number_stays(store: Store) -> None:
    number = store.begin_search(INFO)
    first = entry(1)
    store.enter(number, first)
    store.enter(number, entry(1, FAILED), entry(2))
    assert [x.evaluation for x in store.entries(number)] == [EVALUATION, EVALUATION]
    assert store.entries(number)[0] == first


def test_entries_need_nothing_among_the_evaluations(store: Store) -> None:
    """Answers that are free are not written there."""
    number = store.begin_search(INFO)
    free = entry(1, key=EvaluationKey("k", "synthetic", "{}", 0))
    store.enter(number, free)
    assert store.entries(number) == [free]
    assert len(store) == 0


def test_a_search_remembers_what_it_saw_when_that_is_replaced(store: Store) -> None:
    number = store.begin_search(INFO)
    store.put(record(evaluation=FAILED))
    failed = entry(1, FAILED, score=0.0)
    store.enter(number, failed)
    store.put(record(), replace=True)
    retried = entry(2)
    store.enter(number, retried)
    assert store.get(record().key) == EVALUATION
    assert store.entries(number) == [failed, retried]


def test_a_network_found_by_another_walk_keeps_its_walk(store: Store) -> None:
    number = store.begin_search(INFO)
    store.put(record())
    other = entry(1, candidate=replace(CANDIDATE, walk=(9, 9)))
    store.enter(number, other)
    (found,) = store.entries(number)
    assert (found.candidate.walk, found.evaluation) == ((9, 9), EVALUATION)


def test_nothing_is_stored_twice(url: str) -> None:
    store = SQLStore(url)
    number = store.begin_search(INFO)
    store.put(record())
    store.enter(number, entry(1), entry(2, FAILED))
    query = "select candidate, evaluation from trials order by number"
    first, second = store.database.read(lambda c: c.exec_driver_sql(query).all())
    assert tuple(first) == (None, None)
    assert second[0] is None
    assert "it was killed" in second[1]


def test_an_unknown_search_is_refused(store: Store) -> None:
    known = store.begin_search(INFO)
    for act in (lambda: store.enter(known + 1, entry()), lambda: store.end_search(7, "score")):
        with pytest.raises(StoreError, match=r"Search \d is not in the store\. Use a number"):
            act()
    assert store.entries(known) == []


def test_all_entries_of_a_call_are_there_or_none(url: str) -> None:
    store = SQLStore(url)
    number = store.begin_search(INFO)
    with pytest.raises(StoreError, match="could not be written"):
        store.enter(number, entry(1), entry(2, score=None))
    assert store.entries(number) == []


SEARCHING = """
import os, signal, sys
from tests.nas_env.store.store_examples import INFO, entry, record
from nas_env.store import SQLStore
store = SQLStore(sys.argv[1])
store.put(record())
number = store.begin_search(INFO)
store.enter(number, entry(1), entry(2))
store.enter(number, entry(3))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_search_is_seen_as_interrupted_and_can_go_on(url: str) -> None:
    command = [sys.executable, "-c", SEARCHING, url, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    store = SQLStore(url)
    (search,) = store.searches()
    assert search.ended is None
    assert [x.number for x in store.entries(search.id)] == [1, 2, 3]
    store.enter(search.id, entry(3), entry(4))
    store.end_search(search.id, "evaluations")
    assert [x.number for x in store.entries(search.id)] == [1, 2, 3, 4]
