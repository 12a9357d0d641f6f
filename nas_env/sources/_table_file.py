"""Reads a CSV or Parquet file as a pandas table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nas_env.errors import InvalidDataError
from nas_env.extras import require
from nas_env.sources._columns import ROW_NAMES
from nas_env.sources._text_numbers import Texts, examine_texts
from nas_env.sources.base import ReadOptions
from nas_env.sources.number_format import CODE_DIGITS
from nas_env.sources.storage import free_memory_mb

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
OTHER_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}  # of a CSV file without commas
GROWTH = 5  # approximate ratio of the memory needed to read a table to its file size
AS_WRITTEN = ("category", "text", "date")  # kinds of columns whose text is not parsed


def read_file(path: Path, options: ReadOptions) -> tuple[Any, Texts, list[str]]:
    """Return the pandas table of a file, what its texts have in common, and notes.

    Raises:
        InvalidDataError: The file is not a readable table.
        MissingDependencyError: pandas or pyarrow is not installed.
    """
    require("Tables need", "data", "pandas")
    _check_memory(path)
    parquet = path.name.lower().endswith((".parquet", ".pq"))
    if parquet:
        require("Parquet files need", "data", "pyarrow")
    try:
        return _parquet(path, options) if parquet else _csv(path, options)
    except (MemoryError, KeyboardInterrupt, InvalidDataError):
        raise
    except Exception as error:  # pandas and pyarrow raise many kinds
        raise InvalidDataError(
            f"{path}: not a readable table ({str(error).strip().rstrip('.')}). Needed: one line of "
            "column names, then one row of values per line, in UTF-8 (for a spreadsheet, save it "
            'as "CSV UTF-8").'
        ) from None


def _check_memory(path: Path) -> None:
    megabytes = path.stat().st_size * GROWTH / 1e6
    if megabytes > free_memory_mb():
        raise InvalidDataError(
            f"{path}: needs about {megabytes:,.0f} MB of memory, but only {free_memory_mb():,.0f} "
            "MB are free. Give fewer rows or columns, or write the columns as `x` of an .npz file, "
            "which is read in parts."
        )


def _parquet(path: Path, options: ReadOptions) -> tuple[Any, Texts, list[str]]:
    import pandas

    table = pandas.read_parquet(path)
    named = table.set_axis([str(x) for x in table.columns], axis=1)
    return table, examine_texts(named, options), []


def _csv(path: Path, options: ReadOptions) -> tuple[Any, Texts, list[str]]:
    tabs = ".tsv" in path.name.lower()
    file = _CsvFile(path, "\t" if tabs else _separator(path), options)
    table, notes = file.read(), []
    if file.separator in OTHER_SEPARATORS and not tabs:
        separator_name = OTHER_SEPARATORS[file.separator]
        notes = [f"Values and column names are separated by {separator_name}."]
    return table, file.texts(table), notes


class _CsvFile:
    """A file of separated values.

    Args:
        path: The file.
        separator: The separator.
        options: User options for reading the data.
    """

    def __init__(self, path: Path, separator: str, options: ReadOptions) -> None:
        self.path, self.separator, self.options = path, separator, options

    def read(self) -> Any:
        """Return the pandas table."""
        import pandas

        names = self._parsed(header=None, nrows=1, dtype=str, na_filter=False)
        self._check_names([str(x) for x in names.iloc[0]])
        kinds = self.options.columns
        written = {name: str for name, kind in kinds.items() if kind in AS_WRITTEN}
        table = self._parsed(low_memory=False, dtype=written)
        if not isinstance(table.index, pandas.RangeIndex):  # the first column became the index
            raise InvalidDataError(
                f"{self.path}: rows have more values than column names "
                f"({', '.join(map(str, table.columns))}). Name every column, or remove the "
                "separator at the end of each row."
            )
        self._check_unnamed(table, [str(x) for x in names.iloc[0]])
        codes = [x for x in table.columns if x not in kinds and _may_be_codes(table[x])]
        for name, texts in self._written(codes):
            if _are_codes(texts.dropna()):
                table[name] = texts
        return table

    def texts(self, table: Any) -> Texts:
        """Return what the texts of a table have in common.

        If other columns have decimal commas, columns that were read with decimal points are
        examined too; these may be thousands separators. Their texts then replace the numbers.
        """
        decimal = "." if self.separator == "," else None
        texts = examine_texts(table, self.options, decimal)
        if texts.decimal != ",":
            return texts
        points = [x for x in table.columns if table[x].dtype.kind == "f"]
        for name, column in self._written(points):
            if examine_texts(column.to_frame(), ReadOptions()).columns[name].ambiguous:
                table[name] = column
        return examine_texts(table, self.options, ",")

    def _parsed(self, **settings: Any) -> Any:
        import pandas

        words = (
            {} if self.options.default_missing else {"keep_default_na": False, "na_values": [""]}
        )
        return pandas.read_csv(self.path, sep=self.separator, **{**words, **settings})

    def _written(self, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Yield columns as they are written in the file."""
        for name in names:
            yield name, self._parsed(usecols=[name], dtype=str)[name]

    def _check_names(self, names: list[str]) -> None:
        double = next((x for x in names if x and names.count(x) > 1), None)
        if double is not None:
            raise InvalidDataError(
                f"{self.path}: has two columns {double!r}. Give every column a unique name."
            )

    def _check_unnamed(self, table: Any, names: list[str]) -> None:
        """Raise if a column has no name, unless it numbers the rows and is left out."""
        for place, name in enumerate(names):
            if name:
                continue
            column = table.iloc[:, place]
            counts = column.dtype.kind in "iu" and bool((np.diff(column) == 1).all())
            if not counts or str(table.columns[place]).lower() not in ROW_NAMES:
                raise InvalidDataError(
                    f"{self.path}: column {place + 1} has no name. Give every column a unique name."
                )


def _may_be_codes(column: Any) -> bool:
    """Return whether integers may have been written with leading zeros, all equally long."""
    if column.dtype.kind not in "iu" or column.min() < 0:
        return False
    longest, shortest = len(str(column.max())), len(str(column.min()))
    return longest >= CODE_DIGITS and shortest < longest


def _are_codes(texts: Any) -> bool:
    return bool(texts.str.startswith("0").any() and texts.str.len().nunique() == 1)


def _separator(path: Path) -> str:
    """Return the separator of a CSV file: a comma, unless that gives a single column."""
    import pandas

    def columns(separator: str) -> int:
        return len(pandas.read_csv(path, sep=separator, nrows=0).columns)

    return "," if columns(",") > 1 else max((",", *OTHER_SEPARATORS), key=columns)
