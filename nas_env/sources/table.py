"""`table`: a CSV or Parquet file with a target column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources._columns import Columns, choose_columns
from nas_env.sources._table_file import SUFFIXES, read_file
from nas_env.sources._targets import read_target
from nas_env.sources._text_numbers import Texts, column_option, examine_texts
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

TARGETS = ("target", "label", "class", "y")
SPLIT_COLUMN = "split"


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
            table, texts, notes = read_file(path, options)
            samples = samples_of_table(str(path), table, options, texts=texts)
            return replace(samples, notes=(*notes, *samples.notes))
        return samples_of_table("The given table", data, options)


def samples_of_table(
    source: str,
    table: Any,
    options: ReadOptions,
    given: NDArray[np.int8] | None = None,
    classes: tuple[str, ...] | None = None,
    kind: str = "table",
    texts: Texts | None = None,
) -> Samples:
    """Return the samples of a pandas table.

    Args:
        source: Description of the table, for messages.
        table: The table.
        options: Target, problem and limits.
        given: (n,) split of each row; None: use the column `split`, if any.
        classes: Names of the classes, if the targets are class numbers.
        kind: Name of the source.
        texts: What the texts of each text column have in common; None: they are examined.

    Raises:
        InvalidDataError: A column is invalid.
        MissingDependencyError: scikit-learn is not installed.
    """
    _check_table(source, table, options)
    names = [str(x) for x in table.columns]
    table = table.set_axis(names, axis=1)  # a copy: the caller's table is unchanged
    target = _target(source, table, options.target)
    _check_kinds(source, table, target, options)
    texts = examine_texts(table, options) if texts is None else texts
    targets, target_notes = read_target(source, table[target], target, options, texts)
    features = table.drop(columns=[target])
    if given is None:
        given, features = _given(source, features, options)
    columns = choose_columns(source, features, options, texts)

    return Samples(
        source,
        kind,
        targets,
        given,
        lambda train: _encode(source, columns, train, options),
        lambda row: f"row {row + 1}",
        classes,
        few_are_classes=True,
        notes=(f"The target is the column {target!r}.", *target_notes, *columns.notes),
        target=target,
    )


def _check_table(source: str, table: Any, options: ReadOptions) -> None:
    """Check what is read as a table, and that no option is for images."""
    for option in ("image_size", "skip_bad_files"):
        if (value := getattr(options, option)) not in (None, False):
            raise does_not_apply(source, option, value, "tables")
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


def _check_kinds(source: str, table: Any, target: str, options: ReadOptions) -> None:
    names = list(table.columns)
    for name in options.columns:
        if name not in names:
            raise InvalidDataError(
                f"{source}: has no column {name!r}, which is set to be "
                f"{options.columns[name]!r}. Columns: {', '.join(names)}."
            )
    kind = options.columns.get(target, "number")
    if kind not in ("number", "category"):
        raise InvalidDataError(
            f"{source}: the target column {target!r} is set to be {kind!r}. It must be 'number' or "
            "'category'."
        )


def _target(source: str, table: Any, wanted: str | int | None) -> str:
    names: list[str] = list(table.columns)
    if wanted is not None:
        wanted = str(wanted)
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


def _given(source: str, features: Any, options: ReadOptions) -> tuple[NDArray[np.int8], Any]:
    """Return the split of each row, and the table without the split column.

    A column whose kind is set holds no splits.
    """
    names = (x for x in features.columns if x.lower() == SPLIT_COLUMN)
    name = next((x for x in names if x not in options.columns), None)
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
            f"splits, or set {column_option(name, 'category')}."
        )
    return codes.to_numpy().astype(np.int8), features.drop(columns=[name])


def _encode(
    source: str, columns: Columns, train: NDArray[np.int64], options: ReadOptions
) -> Encoded:
    fitted = columns.fit(train)
    options.storage.require(source, (columns.count, fitted.width))
    step = {"step": "columns", "columns": fitted.described()}
    return Encoded(fitted.transform(), (step,), ready=True, notes=tuple(fitted.notes))
