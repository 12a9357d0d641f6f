"""Anybody's table: what a file may look like, and what is said of one that may not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from nas_env.errors import (
    InvalidDataError,
    InvalidSettingError,
    MissingDependencyError,
    NASError,
    UnknownNameError,
)
from nas_env.spaces.automaton import compile_space
from nas_env.spaces.trie import TrieSpace
from nas_env.tables.file import MOST_LABELS, SUFFIXES, table_of_file

GOOD: dict[str, list[Any]] = {
    "op": ["a", "a", "b", "b"],
    "width": [8, 16, 8, 16],
    "valid": [0.1, 0.4, 0.3, 0.2],
    "milliseconds": [4.0, 1.0, 2.0, 3.0],
    "gap": [1.0, float("nan"), 2.0, 3.0],
    "name": ["w", "x", "y", "z"],
}


def write(folder: Path, suffix: str = ".parquet", **columns: list[Any]) -> Path:
    path = folder / f"mine{suffix}"
    table = pa.table({**GOOD, **columns})
    if suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
    return path


def make(path: Path, **settings: Any) -> gym.Env[Any, Any]:
    usual = {"decisions": ["op", "width"], "reward": "valid"}
    return gym.make("NASTable-v0", path=path, **{**usual, **settings})


def play(env: gym.Env[Any, Any], *labels: str) -> dict[str, Any]:
    """Take decisions by label and return the last info with the last step's end."""
    options = [x.label for x in env.unwrapped.space.options()]  # type: ignore[attr-defined]
    env.reset(seed=0)
    for label in labels:
        _, reward, terminated, _, info = env.step(options.index(label))
        assert not info["illegal_action"]
    return {"reward": reward, "over": terminated, **info["evaluation"]}


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_every_row_is_a_walk_with_its_numbers(tmp_path: Path, suffix: str) -> None:
    env = make(write(tmp_path, suffix), report="-milliseconds")
    inner: Any = env.unwrapped
    assert [x.label for x in inner.space.options()] == ["8", "16", "a", "b"]
    assert inner.space.size() == 4
    for op, width, valid, time in zip(*list(GOOD.values())[:4], strict=True):
        found = play(env, op, str(width))
        assert found["over"]
        assert found["reward"] == found["score"] == valid
        assert found["report"] == -time
        assert found["regret_reward"] == pytest.approx(0.4 - valid)
        assert found["regret_report"] == pytest.approx(time - 1)
        assert "accuracy" not in found


def test_the_reward_may_be_any_number(tmp_path: Path) -> None:
    env = make(write(tmp_path), reward="-milliseconds")
    assert env.unwrapped.objective.bounds == (-4.0, -1.0)  # type: ignore[attr-defined]
    found = play(env, "a", "16")
    assert (found["reward"], found["regret_reward"]) == (-1.0, 0.0)


def test_a_blank_ends_a_shorter_walk(tmp_path: Path) -> None:
    env = make(write(tmp_path, width=[8, None, 8, 16]))
    assert play(env, "a", "8")["reward"] == 0.1
    assert play(env, "a", "stop")["reward"] == 0.4  # it is the beginning of another walk
    spaces = make(write(tmp_path, width=["8", "  ", "8", "16"]))
    assert play(spaces, "a", "stop")["reward"] == 0.4
    alone = make(write(tmp_path, width=[8, None, 8, 16], op=["a", "c", "b", "b"]))
    assert play(alone, "c")["reward"] == 0.4


@pytest.mark.parametrize(
    ("columns", "settings", "error", "message"),
    [
        ({}, {"decisions": []}, InvalidSettingError, "needs decisions and a reward"),
        ({}, {"reward": None}, InvalidSettingError, "needs decisions and a reward"),
        ({}, {"decisions": "op"}, InvalidSettingError, r'JSON in quotes: .*\["op1","op2"\]'),
        ({}, {"decisions": None}, InvalidSettingError, "needs decisions"),
        (
            {},
            {"decisions": ["op", "op"]},
            InvalidSettingError,
            "'op' is a decision and cannot also be",
        ),
        ({}, {"reward": "-width"}, InvalidSettingError, "'width' is a decision and cannot also be"),
        ({}, {"report": "width"}, InvalidSettingError, "'width' is a decision and cannot also be"),
        ({"op": ["a", "a", "b", "stop"], "width": [8, None, 8, 8]}, {}, InvalidDataError, "Rename"),
        ({}, {"decisions": ["op", "widht"]}, UnknownNameError, "'widht'. Did you mean 'width'"),
        ({}, {"reward": "vald"}, UnknownNameError, "'vald'. Did you mean 'valid'"),
        ({}, {"report": "-tset"}, UnknownNameError, "'tset'"),
        ({}, {"reward": "name"}, InvalidDataError, "holds no numbers. Columns that do: valid"),
        ({}, {"reward": ["valid"]}, InvalidSettingError, "needs decisions and a reward"),
        ({}, {"report": 3}, InvalidSettingError, "needs decisions and a reward"),
        ({}, {"decisions": ["op", 3]}, InvalidSettingError, "needs decisions and a reward"),
        ({}, {"run": "mean"}, InvalidSettingError, "several trainings"),
        ({}, {"reward": "gap"}, InvalidDataError, "'gap' has no number in row 1"),
        (
            {},
            {"decisions": ["op"]},
            InvalidDataError,
            "row 0 has the same decisions as an.* 2 times",
        ),
        ({"op": ["a", None, "b", "b"]}, {}, InvalidDataError, "row 1 has a blank in 'op'"),
        (
            {"op": [None, "a", "b", "b"], "width": [None, 8, 8, 16]},
            {},
            InvalidDataError,
            "row 0 has no decisions",
        ),
        (
            {},
            {"dataset": "cora"},
            UnknownNameError,
            "Table-v0 has no argument 'dataset'. Known: .* decisions",
        ),
        ({}, {"max_params": 5}, InvalidSettingError, "no additive cost"),
        ({}, {"evaluator": "training"}, InvalidSettingError, "cannot be built"),
        ({}, {"fidelity": 2}, InvalidSettingError, "no fidelity of 2 epochs"),
    ],
)
def test_what_cannot_work_is_refused(
    tmp_path: Path,
    columns: dict[str, list[Any]],
    settings: dict[str, Any],
    error: type[NASError],
    message: str,
) -> None:
    path = write(tmp_path, **columns)
    with pytest.raises(error, match=message):
        make(path, **settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("op;width;valid\na;8;0.5\n", "separated by semicolons. Separate them by commas"),
        ("op,width,valid\na,8,1\nb,8,2\na,8,3\n", r"row 0 \(line 2\) has the same decisions"),
        ("op,width,valid\na,8,1\nb,8,\n", r"'valid' has no number in row 1 \(line 3\)"),
        ("op,width,valid\na,8,1\n,8,2\n", r"row 1 \(line 3\) has a blank in 'op'"),
    ],
)
def test_lines_of_a_csv_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InvalidDataError, match=message):
        make(tmp_path / "mine.csv")


def test_what_is_missing_is_named_with_a_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, ".csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r'pyarrow.*"nas-env\[data\]"'):
        make(path)


def test_decisions_keep_all_their_digits(tmp_path: Path) -> None:
    rates = [0.1234567, 0.1234568, 1e-9, 3.0]
    env: Any = make(write(tmp_path, op=["a"] * 4, width=rates))
    labels = [x.label for x in env.unwrapped.space.options()]
    assert labels == ["1e-09", "0.1234567", "0.1234568", "3", "a"]
    assert play(env, "a", "0.1234568")["reward"] == 0.4
    single = np.array(rates, dtype=np.float32)
    env = make(write(tmp_path, op=["a"] * 4, width=single))
    assert [float(x.label) for x in env.unwrapped.space.options()[:4]] == sorted(rates)


def test_a_decision_called_stop_is_one_where_none_is_added(tmp_path: Path) -> None:
    path = write(tmp_path, op=["a", "a", "stop", "stop"])
    assert play(make(path), "stop", "8")["reward"] == 0.3


def test_more_decisions_than_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    for count in (MOST_LABELS + 1, MOST_LABELS):
        parquet.write_table(pa.table({"op": np.arange(count), "valid": np.arange(count)}), path)
        if count > MOST_LABELS:
            with pytest.raises(InvalidDataError, match=r"\['op'\] hold 32,768 different decisions"):
                table_of_file(path, ["op"], "valid")
    assert table_of_file(path, ["op"], "valid").walks.max() == MOST_LABELS - 1


def test_the_suffix_says_what_a_file_is(tmp_path: Path) -> None:
    small = write(tmp_path, ".csv")
    for name in ("LARGE.CSV", "LARGE.Parquet", "mine.txt", "mine"):
        source = write(tmp_path) if "Parquet" in name else small
        (tmp_path / name).write_bytes(source.read_bytes())
    for name in ("LARGE.CSV", "LARGE.Parquet"):
        assert play(make(tmp_path / name), "a", "16")["reward"] == 0.4
    for name in ("mine.txt", "mine"):
        with pytest.raises(InvalidDataError, match=r"must end in .parquet or .csv"):
            make(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_column_name_may_stand_there_once(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"twice{suffix}"
    columns = [pa.array(["a", "b"]), pa.array([1.0, 2.0]), pa.array([3.0, 4.0])]
    table = pa.Table.from_arrays(columns, names=["op", "valid", "valid"])
    (csv.write_csv if suffix == ".csv" else parquet.write_table)(table, path)
    with pytest.raises(InvalidDataError, match="'valid' appears twice"):
        make(path, decisions=["op"])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match="no such file"):
        make(tmp_path / "absent.csv")
    for name in ("broken.parquet", "broken.csv"):
        (tmp_path / name).write_bytes(b"\x00\x01not a table\n\n,,,\n1,2\n")
        with pytest.raises(InvalidDataError, match="not a readable"):
            make(tmp_path / name)
    empty = pa.table({"op": pa.array([], pa.string()), "valid": pa.array([], pa.float64())})
    parquet.write_table(empty, tmp_path / "empty.parquet")
    with pytest.raises(InvalidDataError, match="has no rows"):
        make(tmp_path / "empty.parquet")


def test_a_path_is_needed() -> None:
    with pytest.raises(InvalidSettingError, match="NASTable-v0 needs path=FILE"):
        gym.make("NASTable-v0", reward="valid")


def test_the_trie_is_what_compiling_would_give() -> None:
    rng = np.random.default_rng(0)
    walks = np.unique(rng.integers(0, 4, size=(60, 5)), axis=0)
    walks[::3, 4] = -1
    walks = np.unique(walks, axis=0)
    keep = [
        i for i, w in enumerate(walks) if w[4] < 0 or (*w[:4], -1) not in set(map(tuple, walks))
    ]
    space = TrieSpace("probe", rng.permutation(walks[keep]), list("abcd"), list("12345"))
    ours, generic = space.automaton(), compile_space(space)
    assert ours.states == generic.states
    assert np.array_equal(ours.next_state, generic.next_state)
    assert np.array_equal(ours.final, generic.final)
    assert ours.walks == generic.walks
    assert list(space.enumerate()) == sorted(
        tuple(x for x in w.tolist() if x >= 0) for w in walks[keep]
    )


def test_a_trie_refuses_what_is_no_list_of_walks() -> None:
    for walks in ([[0, 1], [0, 1]], [[0, -1], [0, 1]]):
        with pytest.raises(InvalidSettingError, match="occurs twice, or is a prefix"):
            TrieSpace("probe", np.array(walks), ["a", "b"], ["1", "2"])
