"""Reads the target column of a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources._columns import without_words
from nas_env.sources._outliers import far_note, usual
from nas_env.sources._text_numbers import (
    DECIMAL_COMMA,
    Texts,
    decimal_commas,
    first_row,
    is_text,
    mention,
    nearly_numbers,
    parse,
    wrong_among_numbers,
)
from nas_env.sources.base import ReadOptions
from nas_env.sources.number_format import NumberTexts

MOST_INTEGER_CLASSES = 20  # a table column with more distinct integers holds numbers
Target = tuple[NDArray[Any], list[str]]


def read_target(source: str, column: Any, name: str, options: ReadOptions, texts: Texts) -> Target:
    """Return (n,) targets as text or numbers, and notes on how they were read.

    Raises:
        InvalidDataError: A target is missing, or it is not certain which number it stands for.
    """
    column = without_words(column, options.missing)
    kind = options.columns.get(name)
    if not options.default_missing and is_text(column):
        column = column.map(lambda x: "None" if x is None else x)
    _check_complete(source, name, column.isna().to_numpy())
    if kind == "category":
        return _as_text(column), []
    if column.dtype.kind in "iufb":
        return _numeric(name, column.to_numpy(), kind == "number")
    if not is_text(column):
        return _as_text(column), []
    wanted = kind == "number" or options.problem == "regression"
    many = column.nunique() > MOST_INTEGER_CLASSES and options.problem != "classification"
    return _text(source, name, column, texts.columns[name], wanted, many)


def _check_complete(source: str, name: str, absent: NDArray[np.bool_]) -> None:
    empty = np.flatnonzero(absent)
    if len(empty):
        raise InvalidDataError(
            f"{source}: row {empty[0] + 1} has no value in the target column {name!r} "
            f"({len(empty)} rows have none). Fill it, or remove the row. If a class is called NA "
            "or None, set default_missing=False (--no-default-missing)."
        )


def _as_text(column: Any) -> NDArray[Any]:
    return column.astype(str).to_numpy().astype(str)  # type: ignore[no-any-return]


def _numeric(name: str, values: NDArray[Any], forced: bool) -> Target:
    values = values.astype(np.float64) if forced else values
    if values.dtype.kind == "b" or len(np.unique(values)) <= MOST_INTEGER_CLASSES:
        return values, []
    numbers = values.astype(np.float64)
    note = far_note(name, numbers, usual(numbers), target=True)
    return values, [note] if note else []


def _text(
    source: str, name: str, column: Any, texts: NumberTexts, wanted: bool, many: bool
) -> Target:
    """Return text targets as numbers if they are wanted, or many and in a common format."""
    if not (wanted or many):
        formatted = len(texts.formats) == 1 and texts.formats[0].plain
        note = "" if formatted or texts.codes else mention(name, texts)
        return _as_text(column), [note] if note else []
    if texts.codes and not wanted:
        return _as_text(column), []
    if wanted:
        texts = replace(texts, numbers_of_all=1.0)
    numbers = parse(source, name, column, texts)
    if numbers is None:
        if nearly_numbers(texts) or (wanted and 0 < texts.numbers < 1):
            row = first_row(column, texts.wrong)
            raise wrong_among_numbers(source, name, row, texts.wrong, texts.numbers)
        note = mention(name, texts)
        return _as_text(column), [note] if note else []
    _check_complete(source, name, np.isnan(numbers.values))
    values, notes = _numeric(name, numbers.values, forced=False)
    commas = decimal_commas([name]) if numbers.format == DECIMAL_COMMA else []
    read = [numbers.note] if numbers.note else []
    whole = not wanted and bool((values == np.rint(values)).all() and np.abs(values).max() < 2**53)
    return values.astype(np.int64) if whole else values, [*commas, *read, *notes]
