"""`table`: a CSV or Parquet file with a target column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.extras import require
from nas_env.sources._columns import NUMBERS_SHARE, Columns, choose_columns
from nas_env.sources.base import (
    NOT_SAID,
    SOURCES,
    SPLIT_NAMES,
    Encoded,
    ReadOptions,
    Samples,
    Source,
    does_not_apply,
    existing,
    no_such_file,
)
from nas_env.sources.storage import free_memory_mb

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
TARGETS = ("target", "label", "class", "y")
SPLIT_COLUMN = "split"
OTHER_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}  # of a CSV file without commas
THOUSANDS = r"[+-]?[1-9]\d{0,2},\d{3}"  # ambiguous: the comma may be a decimal comma
DECIMAL_COMMA = r"[+-]?\d+(,\d+)?"
GROWTH = 5  # approximate ratio of the memory needed to read a table to its file size


@SOURCES.register("table")
class Table(Source):
    """Rows are samples. Columns of numbers and of text may have missing values.

    The target is the column given by the user, or else the column called target, label, class or
    y. A column `split` gives the split of each row: train, val or test.
    """

    def recognises(self, data: Any) -> bool:
        """Return whether data are the path of a CSV or Parquet file, or a pandas table."""
        if isinstance(data, str | Path):
            return str(data).lower().endswith(SUFFIXES)
        return type(data).__name__ == "DataFrame" and hasattr(data, "columns")

    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Read targets and splits; columns are fitted on the training rows later."""
        if isinstance(data, str | Path):
            path = existing(data)
            if path is None:
                raise no_such_file(data)
            table, notes = _read(path)
            samples = samples_of_table(str(path), table, options)
            return replace(samples, notes=(*notes, *samples.notes))
        return samples_of_table("The given table", data, options)


def samples_of_table(
    source: str,
    table: Any,
    options: ReadOptions,
    given: NDArray[np.int8] | None = None,
    classes: tuple[str, ...] | None = None,
    kind: str = "table",
) -> Samples:
    """Return the samples of a pandas table.

    Args:
        source: Description of the table, for messages.
        table: The table.
        options: Target, problem and limits.
        given: (n,) split of each row; None: use the column `split`, if any.
        classes: Names of the classes, if the targets are class numbers.
        kind: Name of the source.

    Raises:
        InvalidDataError: A column is invalid.
        MissingDependencyError: scikit-learn is not installed.
    """
    if options.image_size is not None:
        raise does_not_apply(source, "image_size", options.image_size, "tables")
    _check_table(source, table)
    table = table.set_axis(
        [str(x) for x in table.columns], axis=1
    )  # a copy: the caller's is unchanged
    target = _target(source, table, options.target)
    targets = _targets(source, table[target], target)
    features = table.drop(columns=[target])
    if given is None:
        given, features = _given(source, features)
    columns = choose_columns(source, features)

    def encode(train: NDArray[np.int64]) -> Encoded:
        return _encode(source, columns, train, options)

    return Samples(
        source,
        kind,
        targets,
        given,
        encode,
        lambda row: f"row {row + 1}",
        classes,
        few_are_classes=True,
        notes=(f"The target is the column {target!r}.", *columns.notes),
        target=target,
    )


def _read(path: Path) -> tuple[Any, list[str]]:
    """Return the pandas table of a file, and notes on how it was read."""
    require("Tables need", "data", "pandas")
    import pandas

    megabytes = path.stat().st_size * GROWTH / 1e6
    if megabytes > free_memory_mb():
        raise InvalidDataError(
            f"{path}: needs about {megabytes:,.0f} MB of memory, but only {free_memory_mb():,.0f} "
            "MB are free. Give fewer rows or columns, or write the columns as `x` of an .npz file, "
            "which is read in parts."
        )
    name = path.name.lower()
    parquet = name.endswith((".parquet", ".pq"))
    if parquet:
        require("Parquet files need", "data", "pyarrow")
    try:
        if parquet:
            return pandas.read_parquet(path), []
        separator = "\t" if ".tsv" in name else _separator(path)
        table = pandas.read_csv(path, sep=separator, low_memory=False)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # pandas and pyarrow raise many kinds
        raise InvalidDataError(
            f"{path}: not a readable table ({str(error).strip().rstrip('.')}). Needed: one line of "
            "column names, then one row of values per line, in UTF-8 (for a spreadsheet, save it "
            'as "CSV UTF-8").'
        ) from None
    if not isinstance(table.index, pandas.RangeIndex):  # pandas used the first column as the index
        raise InvalidDataError(
            f"{path}: rows have more values than column names "
            f"({', '.join(map(str, table.columns))}). Name every column, or remove the separator "
            "at the end of each row."
        )
    notes = []
    if separator in OTHER_SEPARATORS and ".tsv" not in name:
        separator_name = OTHER_SEPARATORS[separator]
        notes = [f"Values and column names are separated by {separator_name}."]
    return table, [*notes, *_decimal_commas(str(path), table)] if separator != "," else notes


def _decimal_commas(source: str, table: Any) -> list[str]:
    """Convert columns of numbers with decimal commas in place, and return a note on them.

    Raises:
        InvalidDataError: All the commas could also be thousands separators.
    """
    examples, plain = {}, False
    for name in table.columns:
        column = table[name]
        if column.dtype.kind != "O":
            continue
        text = column.dropna().astype(str).str.strip()
        fits = text.str.fullmatch(DECIMAL_COMMA)
        commas = text[fits & text.str.contains(",")]
        if fits.mean() < NUMBERS_SHARE or not len(commas):
            continue
        plain = plain or not commas.str.fullmatch(THOUSANDS).all()
        numbers = text.where(
            ~fits, text.str.replace(",", ".")
        )  # other text stays, and raises later
        table[name] = (numbers.astype(float) if fits.all() else numbers).reindex(column.index)
        examples[name] = commas.iloc[0]
    if examples and not plain:
        name, value = next(iter(examples.items()))
        raise InvalidDataError(
            f"{source}: column {name!r} has {value}. If this is a decimal comma, write "
            f"{value.replace(',', '.')} everywhere, or {value.replace(',', '')} if it is not."
        )
    return (
        [f"Numbers have decimal commas, in {', '.join(map(repr, examples))}."] if examples else []
    )


def _separator(path: Path) -> str:
    """Return the separator of a CSV file: a comma, unless that gives a single column."""
    import pandas

    def columns(separator: str) -> int:
        return len(pandas.read_csv(path, sep=separator, nrows=0).columns)

    return "," if columns(",") > 1 else max((",", *OTHER_SEPARATORS), key=columns)


def _check_table(source: str, table: Any) -> None:
    names = [str(x) for x in table.columns]
    double = next((x for x in names if names.count(x) > 1), None)
    if double is not None:
        raise InvalidDataError(
            f"{source}: has two columns {double!r}. Give every column a unique name."
        )
    if len(table) == 0:
        raise InvalidDataError(
            f"{source}: has column names but no rows. At least a few samples are needed."
        )


def _target(source: str, table: Any, wanted: str | None) -> str:
    names: list[str] = list(table.columns)
    if wanted is not None:
        if wanted not in names:
            raise InvalidDataError(
                f"{source}: has no column {wanted!r} to be the target. Columns: {', '.join(names)}."
            )
        return wanted
    candidates = [x for x in names if x.lower() in TARGETS]
    if len(candidates) != 1:
        which = f"several of these ({', '.join(candidates)})" if candidates else "none of these"
        raise InvalidDataError(
            f"{source}: which column is the target? The default is the column called "
            f"{', '.join(TARGETS)}, but the table has {which}. Set target=NAME (--target NAME). "
            f"Columns: {', '.join(names)}."
        )
    return candidates[0]


def _targets(source: str, column: Any, name: str) -> NDArray[Any]:
    """Return (n,) targets as text or numbers; raise if one is missing."""
    empty = np.flatnonzero(column.isna().to_numpy())
    if len(empty):
        raise InvalidDataError(
            f"{source}: row {empty[0] + 1} has no value in the target column {name!r} "
            f"({len(empty)} rows have none). Fill it, or remove the row."
        )
    if column.dtype.kind in "iufb":
        return np.asarray(column.to_numpy())
    return column.astype(str).to_numpy().astype(str)  # type: ignore[no-any-return]


def _given(source: str, features: Any) -> tuple[NDArray[np.int8], Any]:
    """Return the split of each row, and the table without the split column."""
    name = next((x for x in features.columns if x.lower() == SPLIT_COLUMN), None)
    if name is None:
        return np.full(len(features), NOT_SAID, dtype=np.int8), features
    words = features[name].astype(str).str.strip().str.lower()
    codes = words.map(SPLIT_NAMES)
    strange = np.flatnonzero(codes.isna().to_numpy())
    if len(strange):
        value = features[name].iloc[strange[0]]
        raise InvalidDataError(
            f"{source}: row {strange[0] + 1} has {value!s} in the column {name!r}. It must be one "
            f"of {', '.join(SPLIT_NAMES)}. Correct it, or rename the column if it does not hold "
            "splits."
        )
    return codes.to_numpy().astype(np.int8), features.drop(columns=[name])


def _encode(
    source: str, columns: Columns, train: NDArray[np.int64], options: ReadOptions
) -> Encoded:
    fitted = columns.fit(train)
    options.storage.require(source, (columns.count, fitted.width))
    step = {"step": "columns", "columns": fitted.described()}
    return Encoded(fitted.transform(), (step,), ready=True)
