"""The data classes that data are read into, and the interface of the sources that read them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.registry import Registry, unknown_name
from nas_env.sources.storage import ArrayLike, Storage

PROBLEMS = ("classification", "regression")
COLUMN_KINDS = ("number", "category", "text", "date", "ignore")
NOT_SAID, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
SPLIT_NAMES = {  # common names of the splits
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
    "testing": TEST,
}


@dataclass(frozen=True)
class ReadOptions:
    """User options for reading data.

    Attributes:
        target: Target column of a table.
        image_size: Side of the square that images are resized to, or (height, width). None keeps
            their size, which must then be the same for all.
        problem: "classification" or "regression"; None: inferred from the targets.
        cache: Folder for samples that do not fit in memory, reused by later runs; None: a
            temporary folder.
        max_memory_mb: Memory limit for samples in 10^6 bytes; None: half of the free memory.
        columns: What columns of a table hold, by name: "number", "category", "text", "date", or
            "ignore". Other columns are inferred from their values.
        missing: Words that count as missing in a table, besides the default ones.
        default_missing: Whether the words that pandas reads as missing, such as NA, and common
            words among numbers, such as ?, count as missing.
        skip_bad_files: Whether images that cannot be read are left out; the notes list them.

    Raises:
        UnknownNameError: The problem or the kind of a column does not exist.
        InvalidSettingError: A size is not an integer >= 1.
    """

    target: str | int | None = None
    image_size: int | tuple[int, int] | None = None
    problem: str | None = None
    cache: Path | str | None = None
    max_memory_mb: float | None = None
    columns: Mapping[Any, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    default_missing: bool = True
    skip_bad_files: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", {str(x): kind for x, kind in self.columns.items()})
        for kind in self.columns.values():
            if kind not in COLUMN_KINDS:
                raise unknown_name("kind of column", kind, COLUMN_KINDS)
        if isinstance(self.missing, str):
            raise InvalidSettingError(
                f"Data setting missing must be a list of words, got {self.missing!r}."
            )
        object.__setattr__(self, "missing", tuple(str(x).strip() for x in self.missing))
        if self.problem is not None and self.problem not in PROBLEMS:
            raise unknown_name("problem", self.problem, PROBLEMS)
        size = self.image_size
        sides = size if isinstance(size, tuple) else (size, size)
        whole = all(isinstance(x, int) and not isinstance(x, bool) and x >= 1 for x in sides)
        if size is not None and not (whole and len(sides) == 2):
            raise InvalidSettingError(
                f"Data setting image_size must be one or two integers >= 1, got {size!r}."
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to, or None."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size

    @cached_property
    def storage(self) -> Storage:
        """Storage of the samples."""
        return Storage(None if self.cache is None else Path(self.cache), self.max_memory_mb)


class Encoded(NamedTuple):
    """Samples as numbers.

    Attributes:
        x: (n, *shape), any number type, in memory or memory-mapped.
        steps: Preprocessing steps applied, as plain data; see `nas_env.sources.preprocessing`.
        ready: Whether the samples are already standardised.
        notes: Information that was lost, one sentence each.
    """

    x: ArrayLike
    steps: tuple[dict[str, Any], ...] = ()
    ready: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """Result of reading a source: targets and splits. The samples are encoded later.

    Attributes:
        source: Description of the data, such as a path; messages start with it.
        kind: Name of the source.
        targets: (n,) class labels (integers or text) or numbers.
        given: (n,) split of each sample, `NOT_SAID` if no split is given.
        encode: Encodes the samples. It is called with the rows (m,) of the training split, and
            fits statistics on these rows only.
        where: Returns the file or row of a sample, for messages.
        classes: Names of the classes 0, 1, ... if the targets are such codes.
        few_are_classes: If True, integers are classes only if there are few distinct values.
        notes: Further information for the user, one sentence each.
        target: The target column; empty if the data have no columns.
        labelled: Whether the data call the targets labels, so that a few whole floating-point
            numbers are classes.
    """

    source: str
    kind: str
    targets: NDArray[Any]
    given: NDArray[np.int8]
    encode: Callable[[NDArray[np.int64]], Encoded]
    where: Callable[[int], str]
    classes: tuple[str, ...] | None = None
    few_are_classes: bool = False
    notes: tuple[str, ...] = ()
    target: str = ""
    labelled: bool = False


@dataclass(frozen=True)
class DataSet:
    """Data in three splits, independent of their source.

    Attributes:
        source: Description of the source, such as a path.
        kind: Name of the source, such as "npz".
        problem: "classification" or "regression".
        x: (n, *shape) samples of all splits; images are (channels, height, width).
        y: (n,) int64 classes, or float64 targets in their own unit.
        rows: (m,) rows of "train", "validation" and "test".
        classes: Names of the classes, in the order of their numbers; empty for regression.
        steps: Preprocessing steps applied, as plain data; see `nas_env.sources.preprocessing`.
        ready: Whether the samples are already standardised.
        notes: Information for the user, one sentence each.
        in_memory: Whether all samples can be standardised in memory at once.
        target: The target column; empty if the data have no columns.
    """

    source: str
    kind: str
    problem: str
    x: ArrayLike
    y: NDArray[Any]
    rows: Mapping[str, NDArray[np.int64]]
    classes: tuple[str, ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    ready: bool = False
    notes: tuple[str, ...] = ()
    in_memory: bool = True
    target: str = ""


class Source(ABC):
    """Reads one kind of data."""

    @abstractmethod
    def recognises(self, data: Any) -> bool:
        """Return whether data are of this kind, judged by names and types; reads almost nothing."""

    @abstractmethod
    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Read the data: targets, splits, and a function that encodes the samples.

        Raises:
            InvalidDataError: The data are invalid; the message names the rule, the place and the
                remedy.
            MissingDependencyError: An optional package is needed.
        """


def does_not_apply(what: str, name: str, value: Any, kind: str) -> InvalidSettingError:
    """Return the error for an option that does not apply to a kind of data."""
    return InvalidSettingError(
        f"Data setting {name}={value!r} does not apply to {kind} ({what}). Leave it out."
    )


def existing(data: Any) -> Path | None:
    """Return data as a path that exists, or None."""
    if not isinstance(data, str | Path):
        return None
    path = Path(data)
    try:
        return path if path.exists() else None
    except (OSError, ValueError):  # the name is too long or contains a NUL
        return None


def no_such_file(data: Any) -> InvalidDataError:
    """Return the error for a path that does not exist."""
    return InvalidDataError(
        f"{data}: no such file or folder. Give the path of an .npz, CSV or Parquet file, of a "
        "folder of images by class, or of an archive of one."
    )


SOURCES: Registry[type[Source]] = Registry("kind of data", package="nas_env.sources")
