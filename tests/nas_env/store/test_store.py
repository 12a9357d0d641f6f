"""What every store keeps, in memory, in a file and in PostgreSQL."""

from __future__ import annotations

import json
import math
import pickle
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.store import MemoryStore, SQLStore, Store, open_store
from tests.nas_env.store.store_examples import BUDGET, CANDIDATE, EVALUATION, FAILED, record


def test_what_was_put_is_found(store: Store) -> None:
    assert store.get(record().key) is None
    store.put(record())
    assert store.get(record().key) == EVALUATION
    assert store.get(record("other").key) is None
    assert len(store) == 1


def test_the_first_evaluation_stays(store: Store) -> None:
    store.put(record())
    store.put(record(evaluation=FAILED))
    assert store.get(record().key) == EVALUATION
    assert len(store) == 1


def test_an_evaluation_is_replaced_where_told_to(store: Store) -> None:
    store.put(record(evaluation=FAILED))
    store.put(record("other"))
    store.put(record(), replace=True)
    assert store.get(record().key) == EVALUATION
    assert store.get(record("other").key) == EVALUATION
    assert len(store) == 2


def test_replacing_what_is_not_there_puts_it(store: Store) -> None:
    store.put(record(), replace=True)
    assert store.get(record().key) == EVALUATION


def test_what_is_replaced_keeps_its_row(url: str) -> None:
    store = SQLStore(url)
    store.put(record(evaluation=FAILED))
    store.put(record("other"))
    before, _ = store.rows()
    store.put(record(), replace=True)
    after, other = store.rows()
    assert (after["id"], after["fingerprint"]) == (before["id"], "f")
    assert (before["outcome"], after["outcome"], after["message"]) == ("crashed", "ok", "")
    assert after["accuracy"] == 0.9
    assert other["fingerprint"] == "other"


def test_records_come_oldest_first_and_of_their_budget_only(store: Store) -> None:
    found = [EVALUATION, replace(EVALUATION, seconds=9.0)]
    others = [replace(CANDIDATE, recipe=replace(CANDIDATE.recipe, batch_size=x)) for x in (16, 8)]
    for candidate, evaluation in zip(others, found, strict=True):
        key = record().key._replace(candidate_key=candidate.trained_key)
        store.put(replace(record(evaluation=evaluation), key=key, candidate=candidate))
    store.put(record("other"))
    assert list(store.records("f", BUDGET)) == list(zip(others, found, strict=True))
    assert list(store.records("f", Budget())) == []


def test_the_first_setting_stays(store: Store) -> None:
    assert store.setting("precision") is None
    store.set("precision", "float32")
    store.set("precision", "bfloat16")
    assert store.setting("precision") == "float32"


def test_the_table_has_the_promised_columns(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    SQLStore(path).put(record())
    connection = sqlite3.connect(path)  # as a reader without this package
    connection.row_factory = sqlite3.Row
    (row,) = connection.execute("select * from evaluations").fetchall()
    connection.close()
    found = dict(row)
    assert found["candidate_key"] == CANDIDATE.key
    assert found["fingerprint"] == "f"
    assert '"epochs":8' in found["budget"]
    assert "training_seed" not in found["budget"]
    expected = {
        "training_seed": 7,
        "outcome": "ok",
        "score": 0.9,
        "accuracy": 0.9,
        "loss": 0.3,
        "params": 12,
        "macs": 34,
        "seconds": 2.5,
        "epochs": 1,
        "message": "",
        "objective": "Accuracy()",
    }
    assert {name: found[name] for name in expected} == expected


def test_rows_come_oldest_first_with_the_candidate(url: str) -> None:
    store = SQLStore(url)
    for fingerprint in ("b", "a", "c"):
        store.put(record(fingerprint))
    rows = store.rows()
    assert [row["fingerprint"] for row in rows] == ["b", "a", "c"]
    assert Candidate.from_json(json.loads(rows[0]["candidate"])).walk == (3, 1)


def test_what_no_column_holds_is_kept_all_the_same(store: Store) -> None:
    """A message of a crashed process may hold anything, and a prediction may be of any size."""
    odd = Evaluation(
        Outcome.CRASHED,
        {"params": 2**70, "macs": 12.5, "activation_bytes": math.inf, "loss": -math.inf},
        message="nul \0, half a character \ud800, and long" + "g" * 1000,
    )
    long = "x" * 1000
    store.put(replace(record(long, odd), objective=long))
    assert store.get(record(long).key) == odd
    if isinstance(store, SQLStore):
        (row,) = store.rows()
        assert row["message"].startswith("nul \ufffd, half a character ?, and long")
        assert (row["params"], row["macs"], row["activation_bytes"]) == (None, 12, None)
        assert row["fingerprint"] == row["objective"] == long


def test_a_loss_that_is_no_number_is_kept(store: Store) -> None:
    store.put(record(evaluation=Evaluation(Outcome.DIVERGED, {"loss": math.nan})))
    found = store.get(record().key)
    assert found is not None
    assert math.isnan(found.metrics["loss"])


def test_a_reopened_store_has_everything(url: str) -> None:
    store = SQLStore(url)
    store.put(record())
    store.close()
    assert SQLStore(url).get(record().key) == EVALUATION
    assert SQLStore(store.url).get(record().key) == EVALUATION


def test_stores_pickle(store: Store) -> None:
    store.put(record())
    assert pickle.loads(pickle.dumps(store)).get(record().key) == EVALUATION


def test_a_relative_path_stays_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    stores = [SQLStore("mine.sqlite"), SQLStore("sqlite:///mine.sqlite")]
    stores[0].put(record())
    monkeypatch.chdir(tmp_path / "elsewhere")
    for store in stores:
        assert pickle.loads(pickle.dumps(store)).get(record().key) == EVALUATION
    assert list(Path().iterdir()) == []


def test_stores_are_opened_by_what_is_given(tmp_path: Path) -> None:
    assert isinstance(open_store(None), MemoryStore)
    assert isinstance(open_store(tmp_path / "a.sqlite"), SQLStore)
    store = MemoryStore()
    assert open_store(store) is store
    assert [x.name for x in tmp_path.iterdir() if x.suffix == ".sqlite"] == ["a.sqlite"]


def test_an_empty_store_is_a_store(store: Store) -> None:
    assert len(store) == 0
    assert store


@pytest.mark.parametrize("name", ["a b.sqlite", "50%20.sqlite", "what?mode=ro", "#1", "file:x"])
def test_a_path_may_hold_anything(tmp_path: Path, name: str) -> None:
    store = SQLStore(tmp_path / name)
    store.put(record())
    assert (tmp_path / name).is_file()
    assert pickle.loads(pickle.dumps(store)).get(record().key) == EVALUATION
