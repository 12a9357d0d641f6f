"""Chooses the columns of a table that are useful features, and what each of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources._dates import date_form
from nas_env.sources._fitted import MOST_CATEGORIES, Categories, Dates, Fitted, Numbers
from nas_env.sources._text_numbers import (
    DECIMAL_COMMA,
    Texts,
    column_option,
    decimal_commas,
    first_row,
    is_text,
    mention,
    nearly_numbers,
    parse,
    wrong_among_numbers,
)
from nas_env.sources.base import ReadOptions
from nas_env.sources.encoding import MISSING, date_parts
from nas_env.sources.number_format import NUMBERS_SHARE, NumberTexts, examine

DAY = r"(0?[1-9]|[12]\d|3[01])"  # also matches a month
DATE = (  # two-digit years need slashes: 1.2.33 is a version
    rf"((19|20)\d\d[-/.]{DAY}[-/.]{DAY}|{DAY}[-/.]{DAY}[-/.](19|20)\d\d|{DAY}/{DAY}/\d\d)"
    r"([ T]\d{1,2}:\d{2}.*)?"
)
LISTS = (list, dict, set, tuple, np.ndarray)
SHOWN = 20  # maximum number of columns of a kind named in a note
ROW_NAMES = ("", "unnamed: 0", "id", "index", "row", "nr", "no")  # of columns that number the rows
DIFFERENT_SHARE = 0.5  # a text column with a higher share of distinct values identifies its rows
NO_TEXT = "text cannot be encoded yet; set it to category if it has few different values"


@dataclass(frozen=True)
class Columns:
    """Feature columns of a table.

    Attributes:
        features: The columns.
        count: Number of rows.
        notes: Which columns were left out, and what the others hold.
    """

    features: tuple[Numbers | Categories | Dates, ...]
    count: int
    notes: tuple[str, ...]

    def fit(self, train: NDArray[np.int64]) -> Fitted:
        """Fit the encoding on the training rows (m,).

        Raises:
            MissingDependencyError: scikit-learn is not installed.
        """
        return Fitted(self.features, self.count, train)


def choose_columns(source: str, table: Any, options: ReadOptions, texts: Texts) -> Columns:
    """Return the columns of a pandas table that are useful features.

    Args:
        source: Description of the table, for messages.
        table: The columns except the target.
        options: User options for reading the data.
        texts: What the texts of each text column have in common.

    Raises:
        InvalidDataError: There is no such column, or a column contains a value that does not fit.
    """
    chooser = _Chooser(source, options, texts)
    features = [x for name in table.columns if (x := chooser.column(name, table[name]))]
    notes = [*decimal_commas(chooser.commas), *chooser.notes]
    if not features:
        raise InvalidDataError(
            f"{source}: no usable column except the target. {' '.join(notes)} "
            "Give a column of numbers, or of text with few different values."
        )
    return Columns(tuple(features), len(table), (*notes, _kinds(features)))


class _Chooser:
    """Reads one column after the other, and collects the notes.

    Args:
        source: Description of the table, for messages.
        options: User options for reading the data.
        texts: What the texts of each text column have in common.
    """

    def __init__(self, source: str, options: ReadOptions, texts: Texts) -> None:
        self.source, self.options, self.texts = source, options, texts
        self.notes: list[str] = []
        self.commas: list[str] = []  # columns with decimal commas

    def column(self, name: str, column: Any) -> Numbers | Categories | Dates | None:
        """Return a column as a feature, or None if it is left out."""
        kind = self.options.columns.get(name)
        column = without_words(column, self.options.missing)
        why = _useless(name, column, kind)
        if why:
            self.notes.append(f"Column {name!r} is left out: {why}.")
            return None
        if kind == "date":
            return self._date(name, column)
        if kind != "category":
            numbers = self._numbers(name, column, kind == "number")
            if numbers is not None:
                return numbers if kind == "number" else self._checked(numbers)
            if _names_rows(column):
                self.notes.append(
                    f"Column {name!r} is left out: it has {column.nunique():,} different texts in "
                    f"{column.notna().sum():,} rows, such as {column.dropna().iloc[0]!s:.30}."
                )
                return None
        return self._categories(name, column)

    def _checked(self, numbers: Numbers) -> Numbers | None:
        name, values = numbers.name, numbers.values
        if len(values) <= 2 or not (np.diff(values) == 1).all():
            return numbers
        if name.strip().lower() in ROW_NAMES:
            self.notes.append(f"Column {name!r} is left out: it numbers the rows.")
            return None
        self.notes.append(f"Column {name!r} numbers the rows; remove it if it is only an index.")
        return numbers

    def _numbers(self, name: str, column: Any, forced: bool) -> Numbers | None:
        """Return a numeric column, or None if it is text."""
        import pandas

        parsed = pandas.to_numeric(column, errors="coerce")
        values = np.asarray(parsed.to_numpy(dtype=np.float64, na_value=np.nan))
        present = column.notna().to_numpy()
        wrong = np.flatnonzero(present & np.isnan(values))
        more: Mapping[str, Any] = {}
        texts = self.texts.columns.get(name, NumberTexts())
        if not forced and not len(wrong) and texts.codes and is_text(column):
            self.notes.append(
                f"Column {name!r} is read as text: its values are codes with leading zeros, such "
                f"as {column.dropna().iloc[0]}."
            )
            return None
        other = len(texts.formats) == 1 and not texts.formats[0].plain  # 1.234 is 1234
        if len(wrong) or (other and is_text(column)):
            if (formatted := self._formatted(name, column, texts, forced)) is None:
                share = 1 - len(wrong) / present.sum()
                if share >= NUMBERS_SHARE:
                    value = str(column.iloc[wrong[0]])
                    raise wrong_among_numbers(self.source, name, int(wrong[0]), value, share)
                return None
            values, more = formatted
        _check_finite(self.source, name, values)
        return Numbers(name, values, {**more, **self._missing(more, True)})

    def _formatted(
        self, name: str, column: Any, texts: NumberTexts, forced: bool
    ) -> tuple[NDArray[np.float64], dict[str, Any]] | None:
        """Return the numbers of a text column, and entries of its description."""
        if forced and not (texts.numbers == 1 and len(texts.formats) == 1):
            texts = replace(texts, numbers_of_all=1.0)
            if not (texts.ambiguous or texts.mixed or texts.bound):
                row = first_row(column, texts.wrong)
                raise InvalidDataError(
                    f"{self.source}: row {row + 1} has {texts.wrong} in the column {name!r}, which "
                    "is set to be a number. Correct it, leave it empty, or name it with "
                    f"missing=[{texts.wrong!r}] (--missing={texts.wrong!r})."
                )
        if forced:
            texts = replace(texts, numbers_of_all=1.0)
        numbers = parse(self.source, name, column, texts)
        if numbers is None:
            if nearly_numbers(texts):
                row = first_row(column, texts.wrong)
                raise wrong_among_numbers(self.source, name, row, texts.wrong, texts.numbers)
            note = mention(name, texts) or _unknown_unit(name, column)
            self.notes += [note] if note else []
            return None
        if numbers.format == DECIMAL_COMMA:
            self.commas.append(name)
        self.notes += [numbers.note] if numbers.note else []
        return numbers.values, numbers.more

    def _categories(self, name: str, column: Any) -> Categories:
        import pandas

        absent = column.isna().to_numpy()
        codes, labels = pandas.factorize(column.astype(str))
        codes = np.where(absent, -1, codes)
        used = np.unique(codes[codes >= 0])
        labels = np.asarray(labels, dtype=object)
        kept = [str(x) for x in labels[used] if x.strip() in MISSING]
        more: dict[str, Any] = {"not_missing": kept} if kept else {}
        return Categories(name, codes, labels, {**more, **self._missing({}, False)})

    def _date(self, name: str, column: Any) -> Dates:
        import pandas

        codes, values = pandas.factorize(column)
        rows = np.unique(codes, return_index=True)[1][-len(values) :]
        form = date_form(self.source, name, list(values), rows.tolist())
        parts = np.array([*(date_parts(x, form) for x in values), [np.nan] * 4])
        self.notes.append(
            f"Column {name!r} holds dates, read as year, month, day and weekday; a time is ignored."
        )
        return Dates(name, parts[codes], {"date": form, **self._missing({}, False)})

    def _missing(self, more: Mapping[str, Any], numeric: bool) -> dict[str, Any]:
        """Return the entries of a description about missing values."""
        entries: dict[str, Any] = {}
        words = [*self.options.missing, *more.get("missing", ())]
        if words:
            entries["missing"] = list(dict.fromkeys(words))
        if numeric and (numbers := _numbers_of(self.options.missing)):
            entries["missing_numbers"] = numbers
        if not self.options.default_missing:
            entries["default_missing"] = False
        return entries


def without_words(column: Any, words: Sequence[str]) -> Any:
    """Return a pandas column in which the given words, also as numbers, are missing."""
    import pandas

    if isinstance(column.dtype, pandas.SparseDtype):
        column = column.sparse.to_dense()
    if not words or column.dtype.kind == "b":
        return column
    if column.dtype.kind in "iuf":
        return column.mask(column.isin(_numbers_of(words)))
    if is_text(column):
        absent = column.notna() & column.astype(str).str.strip().isin(words)
        return column.astype(object).mask(absent, None)
    return column


def _numbers_of(words: Sequence[str]) -> list[float]:
    numbers = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            continue
    return [x for x in numbers if np.isfinite(x)]


def _unknown_unit(name: str, column: Any) -> str:
    """Return a note if all values are a number and the same unknown word."""
    counts = column.dropna().astype(str).value_counts(sort=False).to_dict()
    texts = examine(counts, any_unit=True)
    if len(texts.formats) != 1 or texts.numbers < 1 or texts.formats[0].prefix.isalnum():
        return ""
    return (
        f"Column {name!r} is read as text, although all its values are numbers with an unknown "
        f"unit, such as {texts.example}; set {column_option(name, 'number')} to read the numbers."
    )


def _kinds(features: Sequence[Numbers | Categories | Dates]) -> str:
    """Return a note on the numeric columns, and on the text columns and their distinct values."""
    texts = [x for x in features if isinstance(x, Categories)]
    counts = {x.name: len(np.unique(x.codes[x.codes >= 0])) for x in texts}
    names = {
        "Numbers": [repr(x.name) for x in features if isinstance(x, Numbers)],
        "Text": [f"{name!r} ({count} different values)" for name, count in counts.items()],
    }
    sentences = []
    for kind, columns in names.items():
        more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
        if columns:
            sentences.append(f"{kind}: {', '.join(columns[:SHOWN])}{more}.")
    return " ".join(sentences)


def _useless(name: str, column: Any, kind: str | None) -> str:
    """Return why a column is not a useful feature, or an empty text."""
    if kind in ("ignore", "text"):
        return "as set" if kind == "ignore" else NO_TEXT
    if column.isna().all():
        return "all its values are missing"
    if kind in (None, "number") and (
        column.dtype.kind in "mM" or (kind is None and _dates(column))
    ):
        return (
            f"dates are used only if they are set to be dates, {column_option(name, 'date')}; "
            "or give their parts, such as the month, as numbers"
        )
    if is_text(column) and any(isinstance(x, LISTS) for x in column):
        return "its values are lists"
    if column.dtype.kind == "c":
        return "complex numbers are not supported; give their parts"
    if column.nunique(dropna=False) == 1:
        return "all its values are the same"
    return ""


def _dates(column: Any) -> bool:
    """Return whether all values of a column are dates written as text."""
    if not is_text(column):
        return False
    return bool(column.dropna().astype(str).str.strip().str.fullmatch(DATE).all())


def _check_finite(source: str, name: str, values: NDArray[np.float64]) -> None:
    endless = np.flatnonzero(np.isinf(values) | (np.abs(values) > np.finfo(np.float32).max))
    if len(endless):
        raise InvalidDataError(
            f"{source}: row {endless[0] + 1} has {values[endless[0]]} in the column {name!r}, "
            "which is infinite in float32. Correct it, or leave it empty."
        )


def _names_rows(column: Any) -> bool:
    different, present = column.nunique(), column.notna().sum()
    return bool(different > MOST_CATEGORIES and different > DIFFERENT_SHARE * present)
