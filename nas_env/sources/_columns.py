"""Encodes the columns of a table as numbers, with scikit-learn fitted on the training rows only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.extras import require

MISSING = "(missing)"  # the category of missing values
MOST_CATEGORIES = 32  # of a column; rarer categories share one additional category
DAY = r"(0?[1-9]|[12]\d|3[01])"  # also matches a month
DATE = (  # two-digit years need slashes: 1.2.33 is a version
    rf"((19|20)\d\d[-/.]{DAY}[-/.]{DAY}|{DAY}[-/.]{DAY}[-/.](19|20)\d\d|{DAY}/{DAY}/\d\d)"
    r"([ T]\d{1,2}:\d{2}.*)?"
)
SHOWN = 20  # maximum number of columns of a kind named in a note
NUMBERS_SHARE = 0.9  # a text column with a higher share of numbers is numeric with mistakes
ROW_NAMES = ("", "unnamed: 0", "id", "index", "row", "nr", "no")  # of columns that number the rows
DIFFERENT_SHARE = 0.5  # a text column with a higher share of distinct values identifies its rows


@dataclass(frozen=True)
class Columns:
    """Feature columns: numbers, and text as categories.

    Attributes:
        table: Pandas table; missing values are NaN in float64 columns and None in text columns.
        numeric: Names of the numeric columns.
        categorical: Names of the categorical columns.
        notes: Which columns were left out, and why.
    """

    table: Any
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.table)

    def fit(self, train: NDArray[np.int64]) -> Fitted:
        """Fit the encoding on the training rows (m,).

        Raises:
            MissingDependencyError: scikit-learn is not installed.
        """
        require("Tables need", "data", "sklearn")
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        fill = SimpleImputer(strategy="median", keep_empty_features=True)
        absent = SimpleImputer(strategy="constant", fill_value=MISSING, missing_values=None)
        encoder = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=MOST_CATEGORIES + 1,
            sparse_output=False,
        )
        parts = [
            ("numeric", make_pipeline(fill, StandardScaler()), list(self.numeric)),
            ("categorical", make_pipeline(absent, encoder), list(self.categorical)),
        ]
        transformer = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)
        return Fitted(self, transformer.fit(self.table.iloc[train]))


class Fitted:
    """Columns with a fitted `ColumnTransformer`.

    Args:
        columns: The columns.
        transformer: Fitted on the training rows.
    """

    def __init__(self, columns: Columns, transformer: Any) -> None:
        self.columns, self.transformer = columns, transformer

    @property
    def width(self) -> int:
        """Number of features of an encoded row."""
        return sum(
            len(x["categories"]) + x["rare"] if x["kind"] == "categorical" else 1
            for x in self.described()
        )

    def transform(self) -> NDArray[np.float32]:
        """Return all rows encoded, (n, width)."""
        encoded = self.transformer.transform(self.columns.table)
        return np.ascontiguousarray(encoded, dtype=np.float32)

    def described(self) -> list[dict[str, Any]]:
        """Return the encoding of each column, as plain data; see `sources.preprocessing`."""
        descriptions: list[dict[str, Any]] = []
        steps = self.transformer.named_transformers_
        if self.columns.numeric:
            fill, scale = (step for _, step in steps["numeric"].steps)
            learned = fill.statistics_, scale.mean_, scale.scale_
            rows = zip(self.columns.numeric, *learned, strict=True)
            descriptions += [
                {
                    "name": name,
                    "kind": "numeric",
                    "fill": float(f),
                    "mean": float(m),
                    "sd": float(s),
                }
                for name, f, m, s in rows
            ]
        if self.columns.categorical:
            encoder = steps["categorical"].steps[1][1]
            for number, name in enumerate(self.columns.categorical):
                rare = encoder.infrequent_categories_[number]
                seldom = set() if rare is None else set(rare)
                frequent = [str(x) for x in encoder.categories_[number] if x not in seldom]
                more = {"categories": frequent, "rare": bool(seldom), "fill": MISSING}
                descriptions.append({"name": name, "kind": "categorical", **more})
        return descriptions


def choose_columns(source: str, table: Any) -> Columns:
    """Return the columns of a pandas table that are useful features.

    Raises:
        InvalidDataError: There is no such column, or a numeric column contains a value that is not
            a number.
    """
    numbers: dict[str, NDArray[np.float64]] = {}
    texts: dict[str, NDArray[np.object_]] = {}
    notes: list[str] = []
    for name in table.columns:
        column = table[name]
        why = _useless(column)
        if why:
            notes.append(f"Column {name!r} is left out: {why}.")
        elif (values := _numbers(source, name, column)) is not None:
            counts = len(values) > 2 and bool((np.diff(values) == 1).all())
            if counts and name.strip().lower() in ROW_NAMES:
                notes.append(f"Column {name!r} is left out: it numbers the rows.")
                continue
            numbers[name] = values
            if counts:
                notes.append(f"Column {name!r} numbers the rows; remove it if it is only an index.")
        elif _names_rows(column):
            notes.append(
                f"Column {name!r} is left out: it has {column.nunique():,} different texts in "
                f"{column.notna().sum():,} rows, such as {column.dropna().iloc[0]!s:.30}."
            )
        else:
            absent = column.isna().to_numpy()
            texts[name] = column.astype(str).to_numpy().astype(object)
            texts[name][absent] = None
    if not numbers and not texts:
        raise InvalidDataError(
            f"{source}: no usable column except the target. {' '.join(notes)} "
            "Give a column of numbers, or of text with few different values."
        )
    import pandas

    features = pandas.DataFrame({**numbers, **texts})
    notes.append(_kinds(numbers, {name: features[name].nunique() for name in texts}))
    return Columns(features, tuple(numbers), tuple(texts), tuple(notes))


def _kinds(numbers: Iterable[str], texts: Mapping[str, int]) -> str:
    """Return a note on the numeric columns, and on the text columns and their distinct values."""
    names = {
        "Numbers": [repr(name) for name in numbers],
        "Text": [f"{name!r} ({count} different values)" for name, count in texts.items()],
    }
    sentences = []
    for kind, columns in names.items():
        more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
        if columns:
            sentences.append(f"{kind}: {', '.join(columns[:SHOWN])}{more}.")
    return " ".join(sentences)


def _useless(column: Any) -> str:
    """Return why a column is not a useful feature, or an empty text."""
    if column.isna().all():
        return "all its values are missing"
    if column.dtype.kind in "mM" or _dates(column):
        return "dates are not supported; give their parts, such as the month, as numbers"
    if column.map(lambda x: isinstance(x, list | dict | set | tuple | np.ndarray)).any():
        return "its values are lists"
    if column.dtype.kind == "c":
        return "complex numbers are not supported; give their parts"
    if column.nunique(dropna=False) == 1:
        return "all its values are the same"
    return ""


def _dates(column: Any) -> bool:
    """Return whether all values of a column are dates written as text."""
    if column.dtype.kind != "O":
        return False
    return bool(column.dropna().astype(str).str.strip().str.fullmatch(DATE).all())


def _numbers(source: str, name: str, column: Any) -> NDArray[np.float64] | None:
    """Return (n,) values of a numeric column, or None if it is text."""
    import pandas

    parsed = pandas.to_numeric(column, errors="coerce")
    values = np.asarray(parsed.to_numpy(dtype=np.float64, na_value=np.nan))
    present = column.notna().to_numpy()
    wrong = np.flatnonzero(present & np.isnan(values))
    share = 1 - len(wrong) / present.sum()
    if len(wrong) and share < NUMBERS_SHARE:
        return None
    if len(wrong):
        raise InvalidDataError(
            f"{source}: row {wrong[0] + 1} has {column.iloc[wrong[0]]!s} in the column {name!r}, "
            f"of which {100 * share:.1f} % are numbers. Correct it, leave it empty, or make the "
            "whole column text."
        )
    endless = np.flatnonzero(np.isinf(values) | (np.abs(values) > np.finfo(np.float32).max))
    if len(endless):
        raise InvalidDataError(
            f"{source}: row {endless[0] + 1} has {values[endless[0]]} in the column {name!r}, "
            "which is infinite in float32. Correct it, or leave it empty."
        )
    return values


def _names_rows(column: Any) -> bool:
    different, present = column.nunique(), column.notna().sum()
    return bool(different > MOST_CATEGORIES and different > DIFFERENT_SHARE * present)
