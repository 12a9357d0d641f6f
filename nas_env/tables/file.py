"""`file`: a user-defined table, a Parquet or CSV file with one row per architecture."""

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
    """Load the table of a file.

    Every numeric column that is no decision can be the reward or the report. "-name" negates a
    column for which lower is better. Equal values mean the same decision in all columns. A blank
    ends a shorter walk. If a walk is a prefix of another one, the decision "stop" is appended to
    it.

    Args:
        path: A `.parquet` or `.csv` file, one row per architecture.
        decisions: The columns of the decisions, in order.
        reward: The reward column; required.
        report: The report column. None: the reward column.

    Raises:
        InvalidSettingError: Decisions or reward are missing, or a decision is the reward.
        InvalidDataError: The file is missing, unreadable, or violates one of these rules.
        UnknownNameError: No such column.
        MissingDependencyError: pyarrow is not installed.
    """
    report_column = reward if report is None else report
    has_columns = isinstance(path, str | Path) and _are_names(decisions)
    if not has_columns or not isinstance(reward, str) or not isinstance(report_column, str):
        raise InvalidSettingError(
            f"A table needs decisions and a reward, but has path={path!r}, "
            f"decisions={decisions!r}, reward={reward!r}, report={report!r}. Name the file and "
            "its columns: path=FILE, decisions=[...], reward=NAME; a list on a command line is "
            """JSON in quotes: 'NASTable-v0:path=FILE,decisions=["op1","op2"],reward=NAME'."""
        )
    path = Path(path)
    used = [name.removeprefix("-") for name in (reward, report_column)]
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
        report=report_column,
        make_space=partial(listed, path.stem, walks, labels, tuple(decisions)),
        spec=TaskSpec(path.stem, 1, "table", (), 1),
        accuracies=False,
    )


def _are_names(value: object) -> bool:
    """Return whether an argument is a non-empty list of names."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        return False
    return all(isinstance(name, str) for name in value)


def _check_names(decisions: Sequence[str], used: Sequence[str]) -> None:
    """Raise if a column has two roles."""
    for name, count in Counter(decisions).items():
        if name in used or count > 1:
            raise InvalidSettingError(
                f"Column {name!r} is a decision and cannot also be another decision, the reward or "
                "the report. Choose another column."
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
            f"{path}: not a readable .parquet or .csv file ({reason}). Recreate it."
        ) from None
    if not table.num_rows:
        raise InvalidDataError(f"{path}: the table has no rows. Add one row per architecture.")
    if csv_like and table.column_names[1:] == [] and ";" in table.column_names[0]:
        raise InvalidDataError(
            f"{path}: its columns are separated by semicolons. Separate them by commas."
        )
    if twice := [x for x, count in Counter(table.column_names).items() if count > 1]:
        raise InvalidDataError(f"{path}: column {twice[0]!r} appears twice. Rename one.")
    return {name: table[name].to_numpy() for name in table.column_names}


def _walks(
    path: Path, data: dict[str, NDArray[Any]], decisions: Sequence[str]
) -> tuple[NDArray[np.int16], list[str]]:
    """Return decision numbers (rows, columns), -1 if blank, and the label of each number."""
    texts = np.stack([_texts(data[name]) for name in decisions], axis=1)
    labels = sorted(set(np.unique(texts).tolist()) - {""}, key=_order)
    if not labels:
        raise InvalidDataError(f"{path}: the columns {list(decisions)} are blank.")
    if len(labels) > MOST_LABELS:
        raise InvalidDataError(
            f"{path}: the columns {list(decisions)} hold {len(labels):,} different decisions, but "
            f"at most {MOST_LABELS:,} are supported. Choose columns with fewer values."
        )
    number = {"": -1} | {label: index for index, label in enumerate(labels)}
    distinct, inverse = np.unique(texts, return_inverse=True)
    walks = np.array([number[x] for x in distinct.tolist()], np.int16)[inverse].reshape(texts.shape)
    blank = walks < 0
    if (gap := np.argwhere(blank[:, :-1] & ~blank[:, 1:])).size:
        raise InvalidDataError(
            f"{path}: {_row(path, gap[0, 0])} has a blank in {decisions[gap[0, 1]]!r} before a "
            "decision. "
            "Only the end of a walk may be blank."
        )
    if blank[:, 0].any():
        row = _row(path, blank[:, 0].argmax())
        raise InvalidDataError(f"{path}: {row} has no decisions. Fill it or remove it.")
    _, first, counts = np.unique(walks, axis=0, return_index=True, return_counts=True)
    if counts.max() > 1:
        raise InvalidDataError(
            f"{path}: {_row(path, first[counts.argmax()])} has the same decisions as another row; "
            f"they appear {counts.max()} times. Average repeated rows first, or add decision "
            "columns."
        )
    return walks, labels


def _row(path: Path, row: np.integer[Any]) -> str:
    """Describe a row, counted from 0, for messages; for a CSV file also by its line."""
    return f"row {row} (line {row + 2})" if path.suffix.lower() == ".csv" else f"row {row}"


def _texts(column: NDArray[Any]) -> NDArray[np.str_]:
    """Return the values as text with all digits, and blanks and missing numbers as ""."""
    if column.dtype.kind == "f":
        return np.array([_digits(x) for x in column])
    return np.array(["" if x is None or not str(x).strip() else str(x) for x in column])


def _digits(number: np.floating[Any]) -> str:
    """Return the shortest exact text of a number, without a decimal point if it is an integer."""
    if np.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() else str(number)


def _order(label: str) -> tuple[int, float, str]:
    """Return the sort key of a label: numbers by value, then words alphabetically."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def _with_stop(
    path: Path, walks: NDArray[np.int16], labels: list[str]
) -> tuple[NDArray[np.int16], list[str]]:
    """Append "stop" to shorter walks if a walk is a prefix of another one."""
    lengths = (walks >= 0).sum(axis=1)
    complete = {tuple(row[:length]) for row, length in zip(walks.tolist(), lengths, strict=True)}
    prefixes = {walk[:end] for walk in complete for end in range(1, len(walk))}
    if not complete & prefixes:
        return walks, labels
    if STOP in labels:
        raise InvalidDataError(
            f"{path}: walks that are a prefix of other walks end with an added decision {STOP!r}, "
            "but the file already has a decision of that name. Rename it."
        )
    short = np.flatnonzero(lengths < walks.shape[1])
    walks[short, lengths[short]] = len(labels)
    return walks, [*labels, STOP]


def _numbers(
    path: Path, data: dict[str, NDArray[Any]], decisions: Sequence[str], used: Sequence[str]
) -> dict[str, Numbers]:
    """Return the complete numeric columns; raise if a used column is not among them."""
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
                f"{path}: column {name!r} has no number in {row}. Fill it or remove the row."
            )
    return whole
