"""What data are read into, and the interface of what reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.registry import Registry, unknown_name
from nas_env.sources.storage import ArrayLike, Storage

PROBLEMS = ("classification", "regression")
NOT_SAID, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
SPLIT_NAMES = {  # what others call the splits
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
    """What a user may say about data.

    Attributes:
        target: Column that is to be predicted, of a table.
        image_size: Side of the square that images are resized to, or (height, width); None keeps
            their size, which must then be the same for all.
        problem: "classification" or "regression"; None: what the targets look like.
        cache: Folder for what does not fit in memory, used again the next time; None: a temporary
            one.
        max_memory_mb: Most memory for samples in 10^6 bytes; None: half of what is free.

    Raises:
        UnknownNameError: No such problem.
        InvalidSettingError: A size is no integer >= 1.
    """

    target: str | None = None
    image_size: int | tuple[int, int] | None = None
    problem: str | None = None
    cache: Path | str | None = None
    max_memory_mb: float | None = None

    def __post_init__(self) -> None:
        if self.problem is not None and self.problem not in PROBLEMS:
            raise unknown_name("problem", self.problem, PROBLEMS)
        size = self.image_size
        sides = size if isinstance(size, tuple) else (size, size)
        whole = all(isinstance(x, int) and not isinstance(x, bool) and x >= 1 for x in sides)
        if size is not None and not (whole and len(sides) == 2):
            raise InvalidSettingError(
                f"Data setting image_size must be an integer >= 1 or two of them, but is {size!r}."
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to, or None."""
        size = self.image_size
        return (size, size) if isinstance(size, int) else size

    @cached_property
    def storage(self) -> Storage:
        """Where samples lie."""
        return Storage(None if self.cache is None else Path(self.cache), self.max_memory_mb)


class Encoded(NamedTuple):
    """Samples as numbers.

    Attributes:
        x: (n, *shape), any number type, in memory or mapped.
        steps: How they came about, as plain data; see `nas_env.sources.preprocessing`.
        ready: Whether they are standardised already.
        notes: What was lost on the way, one sentence each.
    """

    x: ArrayLike
    steps: tuple[dict[str, Any], ...] = ()
    ready: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """What a source has found: targets and splits now, samples when it is told who trains.

    Attributes:
        source: What the data are, such as a path; messages begin with it.
        kind: Name of the source.
        targets: (n,) class labels (integers or text) or numbers.
        given: (n,) split of each sample, `NOT_SAID` where nobody said.
        encode: Called with the rows (m,) of the training split, which alone it may learn from.
        where: Names the file or row of a sample, for messages.
        classes: Names of the classes 0, 1, ... where targets are such codes.
        few_are_classes: Whether integers are classes only where there are few different ones.
        notes: What else a user should know, one sentence each.
        target: The column that is predicted; empty where data have no columns.
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


@dataclass(frozen=True)
class DataSet:
    """Data in three splits, whatever they were read from.

    Attributes:
        source: What they were read from, such as a path.
        kind: Name of the source, such as "npz".
        problem: "classification" or "regression".
        x: (n, *shape) samples of all splits; images are (channels, height, width).
        y: (n,) int64 classes, or float64 targets in their own unit.
        rows: (m,) those of "train", "validation" and "test".
        classes: Names of the classes, in the order of their numbers; empty for regression.
        steps: What was done to the samples, as plain data; see `nas_env.sources.preprocessing`.
        ready: Whether samples are standardised already.
        notes: What a user should know, one sentence each.
        in_memory: Whether the samples may be made ready in memory as a whole.
        target: The column that is predicted; empty where data have no columns.
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
        """Return whether data are of this kind; looks at names and types, reads next to nothing."""

    @abstractmethod
    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Return what there is.

        Raises:
            InvalidDataError: The data break a rule; the message says which, where, and the remedy.
            MissingDependencyError: An optional package is needed.
        """


def refuse(what: str, name: str, value: Any, kind: str) -> InvalidSettingError:
    """Return the error for an option that means nothing to a kind of data."""
    return InvalidSettingError(
        f"Data setting {name}={value!r} means nothing to {kind} ({what}). Leave it out."
    )


def existing(data: Any) -> Path | None:
    """Return data as a path that exists, or None."""
    if not isinstance(data, str | Path):
        return None
    path = Path(data)
    try:
        return path if path.exists() else None
    except (OSError, ValueError):  # too long a name, a NUL in it
        return None


def no_such_file(data: Any) -> InvalidDataError:
    """Return the error for a path that is not there."""
    return InvalidDataError(
        f"{data}: no such file or folder. Give the path of an .npz, CSV or Parquet file, of a "
        "folder of images by class, or of an archive of one."
    )


SOURCES: Registry[type[Source]] = Registry("kind of data", package="nas_env.sources")
