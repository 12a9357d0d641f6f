"""Reads any supported data into a `DataSet`; infers problem, classes and splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources.base import (
    NOT_SAID,
    SOURCES,
    TEST,
    TRAIN,
    VALIDATION,
    DataSet,
    ReadOptions,
    Samples,
    does_not_apply,
    existing,
    no_such_file,
)
from nas_env.sources.splitting import SPLITS, announced, bins, stratified_split

MIN_PER_CLASS = 5
MOST_INTEGER_CLASSES = 20  # a table column with more distinct integers holds numbers
SHOWN = 12  # names in a message
Rows = dict[str, NDArray[np.int64]]


class _Problem(NamedTuple):
    name: str
    y: NDArray[Any]  # (n,) indices into `labels`, or numbers
    labels: NDArray[Any]  # (classes,) sorted
    note: str


def read_data(data: Any, options: ReadOptions | None = None, kind: str | None = None) -> DataSet:
    """Read the data of a path or an object.

    Args:
        data: See `nas_env.tasks.own_data.own_data`.
        options: User options for reading the data.
        kind: Name of the source; None: the first one that recognises the data.

    Raises:
        InvalidDataError: The data are invalid; the message names the rule, the place and the
            remedy.
        UnknownNameError: The kind does not exist.
    """
    options = options or ReadOptions()
    try:
        return complete(samples_of(data, options, kind), options)
    except MemoryError as error:
        name = data if isinstance(data, str | Path) else f"The given {type(data).__name__}"
        raise InvalidDataError(
            f"{name}: there is not enough memory ({str(error).rstrip('.') or 'none is left'}). "
            "Lower max_memory_mb, so that samples are read in parts, or give fewer samples."
        ) from None


def samples_of(data: Any, options: ReadOptions, kind: str | None = None) -> Samples:
    """Read data with the given source, or with the first source that recognises them."""
    if kind is not None:
        return SOURCES.get(kind)().read(data, options)
    for name in SOURCES:
        source = SOURCES.get(name)()
        if source.recognises(data):
            return source.read(data, options)
    if isinstance(data, str | Path) and existing(data) is None:
        raise no_such_file(data)
    raise InvalidDataError(
        f"{data if isinstance(data, str | Path) else type(data).__name__}: unsupported kind of "
        f"data. Supported: {', '.join(SOURCES)}. Give an .npz, CSV or Parquet file, a folder of "
        "images by class, an archive of one, or a data set of torch or Hugging Face. Save a "
        "spreadsheet as CSV, and name a text file of tab-separated values .tsv."
    )


def complete(samples: Samples, options: ReadOptions) -> DataSet:
    """Return the data set of samples, with its problem, classes and splits."""
    if not len(samples.targets):
        raise InvalidDataError(f"{samples.source}: is empty. At least a few samples are needed.")
    if not samples.target:
        _refuse_options_of_tables(samples, options)
    problem = _problem(samples, options.problem)
    if problem.name == "classification":
        _check_codes(samples)
    rows, how = _split(samples, problem)
    if problem.name == "classification":
        _check_classes(samples, problem, rows)
    classes, y = _classes(samples, problem, rows["train"])
    encoded = samples.encode(rows["train"])
    notes = [*samples.notes, *encoded.notes, problem.note, how, *_absent_notes(classes, y, rows)]
    in_memory = isinstance(encoded.x, np.ndarray) and options.storage.fits(encoded.x.shape)
    if not in_memory:
        notes.append("The samples do not fit in memory and are read from a file, batch by batch.")
    return DataSet(
        samples.source,
        samples.kind,
        problem.name,
        encoded.x,
        y,
        rows,
        classes,
        encoded.steps,
        encoded.ready,
        tuple(note for note in notes if note),
        in_memory,
        samples.target,
    )


def _refuse_options_of_tables(samples: Samples, options: ReadOptions) -> None:
    for name, default in (("columns", {}), ("missing", ()), ("default_missing", True)):
        if (value := getattr(options, name)) != default:
            raise does_not_apply(samples.source, name, value, "data without columns")


def _problem(samples: Samples, wanted: str | None) -> _Problem:
    targets = samples.targets
    name, note = (wanted, "") if wanted else _guessed(samples)
    if name == "regression":
        return _Problem(name, _numbers(samples), np.empty(0), note)
    if targets.dtype.kind == "f":
        fraction = np.flatnonzero(~np.isfinite(targets) | (targets != np.rint(targets)))
        if len(fraction):
            raise InvalidDataError(
                f"{samples.source}: target {targets[fraction[0]]} ({samples.where(fraction[0])}) "
                "is not a class. Give integers or text, or set problem='regression'."
            )
        targets = targets.astype(np.int64)
    labels, y = np.unique(targets, return_inverse=True)
    return _Problem(name, y.astype(np.int64), labels, note)


def _check_codes(samples: Samples) -> None:
    """Raise if a class number has no name, such as -1 for a hidden label."""
    if samples.classes is None:
        return
    targets, count = samples.targets, len(samples.classes)
    strange = np.flatnonzero((targets < 0) | (targets >= count))
    if len(strange):
        raise InvalidDataError(
            f"{samples.source}: {samples.where(int(strange[0]))} has the label "
            f"{targets[strange[0]]}, which is not one of the {count} classes. Leave out the split "
            "or the rows without labels."
        )


def _guessed(samples: Samples) -> tuple[str, str]:
    """Return the problem inferred from the targets, and the reason unless it is obvious."""
    targets = samples.targets
    different = len(np.unique(targets))
    if targets.dtype.kind == "f":
        if (targets != np.rint(targets)).any():
            return "regression", "The targets are numbers with fractions, so it is regression."
        if different == 2 or (samples.labelled and different <= MOST_INTEGER_CLASSES):
            return "classification", (
                f"The targets are {different} different whole floating-point numbers, so they are "
                "classes; set problem='regression' to predict them as numbers."
            )
        return "regression", (
            f"The targets are {different} different floating-point numbers, so it is regression; "
            "set problem='classification' to use them as classes."
        )
    if samples.classes is not None:
        return "classification", ""
    many = samples.few_are_classes and different > MOST_INTEGER_CLASSES
    if targets.dtype.kind in "iu" and many:
        return "regression", (
            f"The targets are {different} different integers, so it is regression; "
            "set problem='classification' to use them as classes."
        )
    return "classification", ""


def _numbers(samples: Samples) -> NDArray[np.float64]:
    targets = samples.targets
    if targets.dtype.kind not in "iufb":
        raise InvalidDataError(
            f"{samples.source}: target {targets[0]!s} ({samples.where(0)}) is not a number, which "
            "regression needs. Give numbers, or set problem='classification'."
        )
    y = targets.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(y))
    if len(bad):
        raise InvalidDataError(
            f"{samples.source}: target {y[bad[0]]} ({samples.where(bad[0])}) is not finite. "
            "Fill it, or remove the sample."
        )
    return y


def _split(samples: Samples, problem: _Problem) -> tuple[Rows, str]:
    """Return the rows of each split, and a sentence that says how they were chosen."""
    row_splits = samples.given
    parts = {split: np.flatnonzero(row_splits == split) for split in (TRAIN, VALIDATION, TEST)}
    if (row_splits == NOT_SAID).all() or len(parts[TRAIN]) == len(row_splits):
        cut = _cut(samples, problem, np.arange(len(row_splits)), (0.6, 0.2, 0.2))
        rows = dict(zip(SPLITS, cut, strict=True))
        return rows, "No splits were given: 60/20/20, stratified, by a fixed seed."
    if not len(parts[TRAIN]):
        raise InvalidDataError(
            f"{samples.source}: has no training split, only others. Name one split 'train', or "
            "give no splits."
        )
    missing = [split for split in (VALIDATION, TEST) if not len(parts[split])]
    if missing:
        parts[TRAIN], parts[missing[0]] = _cut(samples, problem, parts[TRAIN], (0.8, 0.2))
        how = f"The {SPLITS[missing[0]]} split is a fifth of the training split that was given."
    else:
        how = "The given splits are used."
    return {name: parts[number] for number, name in enumerate(SPLITS)}, how


def _cut(
    samples: Samples, problem: _Problem, rows: NDArray[np.intp], shares: tuple[float, ...]
) -> list[NDArray[np.int64]]:
    y = problem.y[rows]
    if problem.name == "regression":
        if len(rows) < MIN_PER_CLASS:
            raise InvalidDataError(
                f"{samples.source}: has {len(rows)} samples; a split needs at least "
                f"{MIN_PER_CLASS}. Add samples, or give the splits."
            )
        return [rows[part] for part in stratified_split(bins(y), shares, totals=True)]
    present, counts = np.unique(y, return_counts=True)
    rarest = int(counts.argmin())
    if len(present) > 1 and counts[rarest] < MIN_PER_CLASS:
        label = _name(samples, problem.labels[present[rarest]])
        raise InvalidDataError(
            f"{samples.source}: class {label} has {counts[rarest]} samples; a stratified split "
            f"needs at least {MIN_PER_CLASS}. Add samples, drop the class, or give the splits."
        )
    parts = stratified_split(y, shares)
    errors = np.abs([len(part) for part in parts] - announced(len(y), shares))
    if errors.max() > max(1, len(y) / 100):  # many small classes, each rounded alike
        parts = stratified_split(y, shares, totals=True)
    return [rows[part] for part in parts]


def _check_classes(samples: Samples, problem: _Problem, rows: Rows) -> None:
    trained = np.unique(problem.y[rows["train"]])
    names = [_name(samples, problem.labels[code]) for code in trained]
    if len(trained) < 2:
        raise InvalidDataError(
            f"{samples.source}: all training labels are {names[0]}. "
            "At least two classes are needed."
        )
    for split in ("validation", "test"):
        strange = rows[split][~np.isin(problem.y[rows[split]], trained)]
        if len(strange):
            first = int(strange[0])
            label = _name(samples, problem.labels[problem.y[first]])
            more = ", …" if len(names) > SHOWN else ""
            raise InvalidDataError(
                f"{samples.source}: label {label} of the {split} split is in no training sample "
                f"(first: {samples.where(first)}). Training labels: {', '.join(names[:SHOWN])}"
                f"{more}. Add training samples of this class, or leave it out."
            )


def _classes(
    samples: Samples, problem: _Problem, train: NDArray[np.int64]
) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Return class names and (n,) class numbers; for regression, no names and the targets."""
    if problem.name == "regression":
        if not np.ptp(problem.y[train]) > 0:
            raise InvalidDataError(
                f"{samples.source}: all training targets are {problem.y[train[0]]}, so there is "
                "nothing to learn. Choose another target."
            )
        return (), problem.y
    trained = np.unique(problem.y[train])
    names = tuple(_name(samples, problem.labels[code]) for code in trained)
    return names, np.searchsorted(trained, problem.y).astype(np.int64)


def _absent_notes(classes: tuple[str, ...], y: NDArray[Any], rows: Rows) -> list[str]:
    """Return a note for each split in which classes are absent."""
    notes = []
    for split, names in absent_classes(classes, y, rows).items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        listed = f"{', '.join(names[:SHOWN])}{more}"
        notes.append(
            f"The {split} split has no sample of {len(names)} of {len(classes)} classes: {listed}. "
            "Metrics on it say nothing about them."
        )
    return notes


def absent_classes(
    classes: tuple[str, ...], y: NDArray[Any], rows: Mapping[str, NDArray[np.int64]]
) -> dict[str, list[str]]:
    """Return the names of absent classes for each of the splits in which classes are absent.

    Args:
        classes: Names of the classes; empty for regression.
        y: (n,) class of each sample.
        rows: (m,) rows of each split.
    """
    absent = {
        split: [classes[x] for x in np.setdiff1d(np.arange(len(classes)), y[rows[split]])]
        for split in ("validation", "test")
    }
    return {split: names for split, names in absent.items() if names}


def _name(samples: Samples, label: Any) -> str:
    return str(label) if samples.classes is None else samples.classes[int(label)]
