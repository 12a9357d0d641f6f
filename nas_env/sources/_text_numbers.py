"""Reads text columns of a table as numbers, where all their values share a format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources.base import ReadOptions
from nas_env.sources.encoding import MISSING
from nas_env.sources.number_format import (
    MENTIONED_SHARE,
    NUMBERS_SHARE,
    NumberFormat,
    NumberTexts,
    examine,
    resolved,
)

DECIMAL_COMMA = NumberFormat(decimal=",")
PLAIN = NumberFormat()
NAMES = {",": "comma", ".": "point"}


@dataclass(frozen=True)
class TextNumbers:
    """Numbers of a text column.

    Attributes:
        values: (n,) numbers; NaN is missing.
        format: Their format.
        missing: Texts that count as missing.
        note: Sentence on how they are read; empty if the numbers are plain.
    """

    values: NDArray[np.float64]
    format: NumberFormat
    missing: tuple[str, ...] = ()
    note: str = ""

    @property
    def more(self) -> dict[str, Any]:
        """Entries of the column's description."""
        more: dict[str, Any] = {} if self.format == PLAIN else {"format": self.format.style}
        words = [x for x in dict.fromkeys(map(str.strip, self.missing)) if x not in MISSING]
        return {**more, "missing": words} if words else more


@dataclass(frozen=True)
class Texts:
    """What the texts of each text column of a table have in common.

    Attributes:
        columns: By name of the column.
        decimal: Decimal separator of the numbers of the table, if it is certain.
    """

    columns: Mapping[str, NumberTexts] = field(default_factory=dict)
    decimal: str | None = None


def is_text(column: Any) -> bool:
    """Return whether a pandas column may hold text."""
    return bool(column.dtype.kind == "O")


def examine_texts(table: Any, options: ReadOptions, decimal: str | None = None) -> Texts:
    """Return what the texts of each text column of a pandas table have in common.

    Args:
        table: The table.
        options: User options for reading the data.
        decimal: Decimal separator, unless the numbers show another one.
    """
    columns = {}
    for name in table.columns:
        if is_text(table[name]):
            counts = table[name].dropna().astype(str).value_counts(sort=False).to_dict()
            forced = options.columns.get(name) == "number"
            columns[name] = examine(counts, options.missing, options.default_missing, forced)
    certain = [x.formats[0] for x in columns.values() if len(x.formats) == 1]
    marks = {x.decimal for x in certain if x.thousands or x.decimal == ","}
    if marks:
        decimal = marks.pop() if len(marks) == 1 else None
    chosen = {
        name: replace(x, formats=resolved(x.formats, decimal) if x.ambiguous else x.formats)
        for name, x in columns.items()
    }
    return Texts(chosen, decimal)


def parse(source: str, name: str, column: Any, texts: NumberTexts) -> TextNumbers | None:
    """Return the numbers of a text column, or None if it holds text.

    Raises:
        InvalidDataError: Most values are numbers, but they cannot be read without a doubt.
    """
    if texts.numbers_of_all < MENTIONED_SHARE or (texts.numbers < 1 and not texts.bound):
        return None
    if texts.ambiguous or texts.mixed or texts.bound:
        raise doubt(source, name, column, texts)
    if not texts.formats:  # codes such as 1A, 1B, 2A
        return None
    (form,) = texts.formats
    words = column.astype(str)
    absent = column.isna() | words.isin(texts.missing)
    present = words[~absent]
    numbers = {text: form.number(text) for text in present.unique()}
    values = np.full(len(column), np.nan)
    values[~absent.to_numpy()] = present.map(numbers).to_numpy(dtype=np.float64)
    return TextNumbers(values, form, texts.missing, _note(name, words, form, texts))


def _note(name: str, words: Any, form: NumberFormat, texts: NumberTexts) -> str:
    parts = []
    if form not in (PLAIN, DECIMAL_COMMA):
        parts.append(f"{texts.example.strip()} is read as {form.number(texts.example):.12g}")
    if texts.missing:
        shown = ", ".join(repr(x) for x in texts.missing[:3])
        shown += ", …" if len(texts.missing) > 3 else ""
        parts.append(f"{shown} counts as missing ({words.isin(texts.missing).sum():,} rows)")
    return f"Column {name!r} holds numbers: {'; '.join(parts)}." if parts else ""


def decimal_commas(names: Iterable[str]) -> list[str]:
    """Return the note on columns whose numbers have decimal commas."""
    shown = ", ".join(map(repr, names))
    return [f"Numbers have decimal commas, in {shown}."] if shown else []


def mention(name: str, texts: NumberTexts) -> str:
    """Return a note if a column is read as text although many of its values are numbers."""
    if texts.numbers_of_all < MENTIONED_SHARE:
        return ""
    share = f"{100 * texts.numbers_of_all:.1f} %"
    note = f"Column {name!r} is read as text, although {share} of its values contain a number"
    if texts.numbers == 1:
        return f"{note}, such as {texts.example}."
    wrong = texts.wrong.strip()
    return (
        f"{note}. To read it as numbers, correct the others, such as {wrong}, or name them with "
        f"missing=[{wrong!r}] (--missing={wrong!r})."
    )


def doubt(source: str, name: str, column: Any, texts: NumberTexts) -> InvalidDataError:
    """Return the error for numbers that cannot be read without a doubt."""
    remedy = f"set {column_option(name, 'category')}"
    if texts.ambiguous:
        value = texts.example.strip()
        separator = next(x.thousands for x in texts.formats if x.thousands)
        core = "".join(x for x in value if x.isdigit() or x in "+-,.")
        return InvalidDataError(
            f"{source}: column {name!r} has {value}. If this is a decimal {NAMES[separator]}, "
            f"write {core.replace(separator, '.')} everywhere, or {core.replace(separator, '')} if "
            "it is not."
        )
    row = first_row(column, texts.wrong) + 1
    what = f"{source}: row {row} has {texts.wrong.strip()} in the column {name!r}"
    if texts.bound:
        return InvalidDataError(
            f"{what}, which is a bound, not a number. Write a number, leave it empty, or {remedy}."
        )
    return InvalidDataError(
        f"{what}, but another has {texts.example.strip()}: their units or separators differ. Write "
        f"all of them in the same way, or {remedy}."
    )


def column_option(name: str, kind: str) -> str:
    """Return how the kind of a column is set, in Python and on the command line."""
    return f"columns={{{name!r}: {kind!r}}} (--column {quote(f'{name}={kind}')})"


def first_row(column: Any, text: str) -> int:
    """Return the first row that has a text."""
    return int(np.flatnonzero((column.astype(str) == text).to_numpy())[0])


def wrong_among_numbers(
    source: str, name: str, row: int, value: str, share: float
) -> InvalidDataError:
    """Return the error for a text in a column of numbers."""
    return InvalidDataError(
        f"{source}: row {row + 1} has {value} in the column {name!r}, of which {100 * share:.1f} % "
        f"are numbers. Correct it, leave it empty, name it with missing=[{value!r}] (--missing="
        f"{value!r}), or make the whole column text: {column_option(name, 'category')}."
    )


def nearly_numbers(texts: NumberTexts) -> bool:
    """Return whether nearly all values of a column are numbers, and the others are mistakes."""
    enough = texts.numbers_of_all >= MENTIONED_SHARE
    return NUMBERS_SHARE <= texts.numbers < 1 and enough and not texts.bound
