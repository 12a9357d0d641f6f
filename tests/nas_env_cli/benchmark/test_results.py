"""The tidy file, and that the best rows say as much as all rows."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env_cli.benchmark.results import (
    KEY,
    SCHEMA,
    Row,
    incumbents,
    read_results,
    table_of,
    write_results,
)
from nas_env_cli.benchmark.runs import QUANTITIES, Runs
from tests.nas_env_cli.benchmark.tiny import rows, table
from tests.nas_env_cli.benchmark.tiny import settings as told


def random_table(seed: int = 0):
    rng = np.random.default_rng(seed)
    return table(
        *(
            rows(agent, run, *(rng.integers(0, 60, rng.integers(1, 80)) / 60))
            for agent in ("a", "b")
            for run in range(6)
        )
    )


def test_the_columns_are_those_promised():
    assert SCHEMA.names == list(Row._fields)
    promised = """agent env seed query trial episode walk repeated score report regret_reward
    regret_report simulated_seconds"""
    assert SCHEMA.names == promised.split()


@pytest.mark.parametrize("name", ["r.parquet", "r.csv"])
def test_a_file_comes_back_as_it_was(tmp_path, name):
    made = table(
        rows("a, with comma", 3, 0.1, 0.3, 1 / 3), [Row("b", "e", 0, 1, 2, 1, "3,0,4", False, 0.5)]
    )
    path = tmp_path / name
    write_results(path, [made.slice(0, 2), made.slice(2)], told(7))
    found, settings = read_results(path)
    assert settings == told(7)
    assert found.schema.equals(SCHEMA)
    assert repr(found.to_pylist()) == repr(made.to_pylist())  # NaN included
    assert [x.name for x in tmp_path.iterdir()] == [name]


def test_the_best_rows_are_the_rises_and_the_last():
    made = table(
        rows("a", 0, 0.2, 0.1, 0.5, 0.5, 0.4, 0.6, 0.3), rows("a", 1, 0.7), rows("b", 0, 0.1)
    )
    kept = incumbents(made)
    assert kept["episode"].to_pylist() == [1, 3, 6, 7, 1, 1]
    assert kept["score"].to_pylist() == [0.2, 0.5, 0.6, 0.3, 0.7, 0.1]


def test_best_rows_say_as_much_as_all_rows():
    made = random_table()
    kept = incumbents(made)
    assert len(kept) < len(made) / 3
    assert repr(incumbents(kept).to_pylist()) == repr(kept.to_pylist())  # NaN included
    full, best = Runs(made, 30), Runs(kept, 30)
    after = np.arange(90)
    for by in ("query", "trial"):
        for agent in ("a", "b"):
            assert full.to_optimum(agent, "e", by) == best.to_optimum(agent, "e", by)
            for one, other in zip(full.of(agent, "e"), best.of(agent, "e"), strict=True):
                assert _counts(one) == _counts(other)
                for name in QUANTITIES:
                    assert np.array_equal(
                        one.at(name, after, by), other.at(name, after, by), equal_nan=True
                    )


def _counts(run):
    return run.queries, run.trials, run.episodes


@pytest.mark.parametrize("name", ["r.parquet", "r.csv"])
def test_a_file_that_lacks_a_column_is_refused(tmp_path, name):
    made = table(rows("a", 0, 0.1, 0.1, 0.4)).drop_columns("trial")
    if name.endswith(".csv"):
        pa.csv.write_csv(made, tmp_path / name)
        lines = (tmp_path / name).read_text()
        (tmp_path / name).write_text(f"# {json.dumps(told(7))}\n{lines}")
    else:
        pq.write_table(made.replace_schema_metadata({KEY: json.dumps(told(7))}), tmp_path / name)
    with pytest.raises(
        InvalidDataError, match=r'"trial" does not exist.*or run the benchmark again'
    ):
        read_results(tmp_path / name)


def test_the_best_so_far_is_what_counting_says():
    made = random_table(1)
    runs = Runs(made, 30)
    for run in runs.of("b", "e"):
        mine = [x for x in made.to_pylist() if x["agent"] == "b" and x["seed"] == run.seed]
        for after in range(1, 90):
            for by in ("query", "trial"):
                so_far = [x for x in mine if x[by] <= after]
                best = max(so_far, key=lambda x: (x["score"], -x["episode"]))
                assert run.at("report", after, by) == best["report"]


def test_what_is_no_file_of_results_is_refused(tmp_path):
    for name, text in (("a.parquet", "no"), ("b.csv", "agent,env\n"), ("c.csv", "# {}\nagent\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InvalidDataError, match="not a results file"):
            read_results(tmp_path / name)
    with pytest.raises(InvalidDataError, match=r"absent\.parquet: no such file"):
        read_results(tmp_path / "absent.parquet")
    write_results(tmp_path / "d.parquet", [table_of([])], {**told(3), "envs": {}})
    assert read_results(tmp_path / "d.parquet")[1]["envs"] == {}
    short = {name: value for name, value in told(3).items() if name not in ("envs", "limit")}
    write_results(tmp_path / "d.parquet", [table_of([])], short)
    with pytest.raises(InvalidDataError, match="its settings lack limit and envs"):
        read_results(tmp_path / "d.parquet")
    with pytest.raises(InvalidSettingError, match=r"must end in \.parquet or \.csv"):
        read_results(tmp_path / "x.txt")
    with pytest.raises(InvalidDataError, match="There are no results"):
        Runs(table_of([]), 3)
