"""`file`: a table of your own, a Parquet or CSV file with one row for each architecture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.extras import require
from nas_env.registry import unknown_name
from nas_env.spaces.trie import listed
from nas_env.tables.base import TABLES, Numbers, Table
from nas_env.tasks.base import TaskSpec

STOP = "stop"
SUFFIXES = (".parquet", ".csv")
MOST_LABELS = int(np.iinfo(np.int16).max)


@TABLES.register("file")
def table_of_file(
    path: str | Path,
    decisions: Sequence[str],
    reward: str | None = None,
    report: str | None = None,
) -> Table:
    """Return the table of a file.

    Every column of numbers that is no decision may be rewarded or reported; "-name" turns the sign
    of a column of which less is better. Equal values mean the same decision in every column. A
    blank ends a shorter walk; where one walk is the beginning of another, the shorter one ends with
    the decision "stop".

    Args:
        path: A `.parquet` or `.csv` file, one row an architecture.
        decisions: The columns of the decisions, in order.
        reward: The column that is rewarded; needed.
        report: The column that is reported; the rewarded one where None.

    Raises:
        InvalidSettingError: No decisions or no reward are named, or a decision is the reward.
        InvalidDataError: The file is missing, unreadable, or breaks one of these rules.
        UnknownNameError: No such column.
        MissingDependencyError: pyarrow is not installed.
    """
    shown = reward if report is None else report
    named = isinstance(path, str | Path) and _are_names(decisions)
    if not named or not isinstance(reward, str) or not isinstance(shown, str):
        raise InvalidSettingError(
            f"A table needs decisions and a reward, but has path={path!r}, "
            f"decisions={decisions!r}, reward={reward!r}, report={report!r}. Name the file and "
            "its columns: path=FILE, decisions=[...], reward=NAME; a list on a command line is "
            """JSON in quotes: 'NASTable-v0:path=FILE,decisions=["op1","op2"],reward=NAME'."""
        )
    path = Path(path)
    used = [name.removeprefix("-") for name in (reward, shown)]
    _check_names(decisions, used)
    data = _read(path)
    for name in (*decisions, *used):
        if name not in data:
            raise unknown_name(f"column of {path}", name, data)
    walks, labels = _with_stop(path, *_walks(path, data, decisions))
    columns = _numbers(path, data, decisions, used)

    return Table(
        name=f"file/{path.stem}",
        walks=walks,
        columns=columns,
        rewards={1: reward},
        report=shown,
        make_space=partial(listed, path.stem, walks, labels, tuple(decisions)),
        spec=TaskSpec(path.stem, 1, "table", (), 1),
        accuracies=False,
    )


def _are_names(given: object) -> bool:
    """Return whether something is a list of names, at least one."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        return False
    return all(isinstance(name, str) for name in given)


def _check_names(decisions: Sequence[str], used: Sequence[str]) -> None:
    """Refuse a column that is named as two things."""
    for name, count in Counter(decisions).items():
        if name in used or count > 1:
            raise InvalidSettingError(
                f"Column {name!r} is a decision and cannot be a second one, the reward or the "
                "report. Name another column."
            )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    require("Table files, CSV too, need", "data", "pyarrow")
    from pyarrow import ArrowException, csv, parquet

    if not path.is_file():
        raise InvalidDataError(f"{path}: no such file. Give the path of a .parquet or .csv file.")
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidDataError(
            f"{path}: the name must end in {' or '.join(SUFFIXES)}. Convert the file, or rename it."
        )
    csv_like = path.suffix.lower() == ".csv"
    try:
        table = csv.read_csv(path) if csv_like else parquet.ParquetFile(path).read()
    except (ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0]
        raise InvalidDataError(
            f"{path}: not a readable .parquet or .csv file ({reason}). Write it anew."
        ) from None
    if not table.num_rows:
        raise InvalidDataError(f"{path}: the table has no rows. One row an architecture is needed.")
    if csv_like and table.column_names[1:] == [] and ";" in table.column_names[0]:
        raise InvalidDataError(
            f"{path}: its columns are separated by semicolons. Write it with commas."
        )
    if twice := [x for x, count in Counter(table.column_names).items() if count > 1]:
        raise InvalidDataError(f"{path}: column {twice[0]!r} stands there twice. Rename one.")
    return {name: table[name].to_numpy() for name in table.column_names}


def _walks(
    path: Path, data: dict[str, NDArray[Any]], decisions: Sequence[str]
) -> tuple[NDArray[np.int16], list[str]]:
    """Return decisions by number (rows, columns), -1 where blank, and what the numbers mean."""
    texts = np.stack([_texts(data[name]) for name in decisions], axis=1)
    labels = sorted(set(np.unique(texts).tolist()) - {""}, key=_order)
    if not labels:
        raise InvalidDataError(f"{path}: the columns {list(decisions)} are blank.")
    if len(labels) > MOST_LABELS:
        raise InvalidDataError(
            f"{path}: the columns {list(decisions)} hold {len(labels):,} different decisions, but "
            f"at most {MOST_LABELS:,} are known. Name columns of few values."
        )
    number = {"": -1} | {label: index for index, label in enumerate(labels)}
    known, inverse = np.unique(texts, return_inverse=True)
    walks = np.array([number[x] for x in known.tolist()], np.int16)[inverse].reshape(texts.shape)
    blank = walks < 0
    if (gap := np.argwhere(blank[:, :-1] & ~blank[:, 1:])).size:
        raise InvalidDataError(
            f"{path}: {_row(path, gap[0, 0])} has a blank in {decisions[gap[0, 1]]!r} before a "
            "decision. "
            "Only the end of a walk may be blank."
        )
    if blank[:, 0].any():
        row = _row(path, blank[:, 0].argmax())
        raise InvalidDataError(f"{path}: {row} has no decision at all. Fill it or leave it out.")
    _, first, counts = np.unique(walks, axis=0, return_index=True, return_counts=True)
    if counts.max() > 1:
        raise InvalidDataError(
            f"{path}: {_row(path, first[counts.argmax()])} has the same decisions as another row; "
            f"they stand there {counts.max()} times. Average repeated rows first, or name more "
            "decision columns."
        )
    return walks, labels


def _row(path: Path, row: np.integer[Any]) -> str:
    """Return how a row, counted from 0, is found: in a CSV file by its line, too."""
    return f"row {row} (line {row + 2})" if path.suffix.lower() == ".csv" else f"row {row}"


def _texts(column: NDArray[Any]) -> NDArray[np.str_]:
    """Return the values as text with all digits, blanks and missing numbers as ""."""
    if column.dtype.kind == "f":
        return np.array([_digits(x) for x in column])
    return np.array(["" if x is None or not str(x).strip() else str(x) for x in column])


def _digits(number: np.floating[Any]) -> str:
    """Return the shortest text that means this number, without a point where it is whole."""
    if np.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() else str(number)


def _order(label: str) -> tuple[int, float, str]:
    """Numbers by size, then words by alphabet."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def _with_stop(
    path: Path, walks: NDArray[np.int16], labels: list[str]
) -> tuple[NDArray[np.int16], list[str]]:
    """Return the walks, the shorter ones ended by "stop" where one is the beginning of another."""
    lengths = (walks >= 0).sum(axis=1)
    known = {tuple(row[:length]) for row, length in zip(walks.tolist(), lengths, strict=True)}
    begun = {walk[:end] for walk in known for end in range(1, len(walk))}
    if not known & begun:
        return walks, labels
    if STOP in labels:
        raise InvalidDataError(
            f"{path}: walks that are the beginning of others end with a decision {STOP!r} of their "
            "own, but the file has one of that name. Rename the file's."
        )
    short = np.flatnonzero(lengths < walks.shape[1])
    walks[short, lengths[short]] = len(labels)
    return walks, [*labels, STOP]


def _numbers(
    path: Path, data: dict[str, NDArray[Any]], decisions: Sequence[str], used: Sequence[str]
) -> dict[str, Numbers]:
    """Return the columns of numbers without a gap; those that are used must be among them."""
    numbers = {
        name: column.astype(np.float64)
        for name, column in data.items()
        if name not in decisions and column.dtype.kind in "iufb"
    }
    whole = {name: column for name, column in numbers.items() if np.isfinite(column).all()}
    for name in used:
        if name not in numbers:
            raise InvalidDataError(
                f"{path}: column {name!r} holds no numbers. "
                f"Columns that do: {', '.join(numbers) or 'none'}."
            )
        if name not in whole:
            row = _row(path, np.argmin(np.isfinite(numbers[name])))
            raise InvalidDataError(
                f"{path}: column {name!r} has no number in {row}. Fill it or leave the row out."
            )
    return whole
