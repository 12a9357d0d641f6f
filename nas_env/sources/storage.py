"""Storage of samples: in memory, or in a memory-mapped file if they do not fit."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env.files import unfinished, write_atomically

FREE_SHARE = 0.5  # of the memory that is free when data are read; the rest is for training
UNKNOWN_FREE_MB = 2000.0  # if the system does not report the free memory
CHUNK_BYTES = 64_000_000  # read at a time from samples that do not fit in memory
COPIES = 3  # of float32 samples during standardisation


class ArrayLike(Protocol):
    """Common interface of an array in memory and an array in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, samples first."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, part: Any, /) -> NDArray[Any]: ...


class MappedArray:
    """An array in an `.npy` file, read through a memory map; pickled as its path.

    Args:
        path: The file.
        owner: Owner of the file's folder, kept alive as long as this array.
    """

    def __init__(self, path: Path, owner: object = None) -> None:
        self.path, self._owner = path, owner
        self._array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, samples first."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type."""
        return self._array.dtype

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, part: Any) -> NDArray[Any]:
        return np.array(self._array[part])  # a copy, without a reference to the map

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]


class Storage:
    """Allocates space for samples: memory up to a limit, and files in a folder beyond it.

    Args:
        cache: Persistent folder; None: a temporary folder, which is removed with the data.
        max_memory_mb: Memory limit for samples in 10^6 bytes; None: half of the free memory.

    Raises:
        InvalidSettingError: The limit is not positive.
    """

    def __init__(self, cache: Path | None = None, max_memory_mb: float | None = None) -> None:
        if max_memory_mb is not None and not 0 < max_memory_mb < math.inf:
            raise InvalidSettingError(
                f"Data setting max_memory_mb must be > 0 and finite, got {max_memory_mb}. Use None "
                "for half of the free memory."
            )
        self.cache = cache
        self.max_memory_mb = max_memory_mb or FREE_SHARE * free_memory_mb()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """Folder for persistent files; created on first access."""
        if self.cache is None:
            return self.temporary
        self.cache.mkdir(parents=True, exist_ok=True)
        return self.cache

    @property
    def temporary(self) -> Path:
        """Folder for files that are removed with the data; created on first access."""
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="nas-env-data-")
        return Path(self._temporary.name)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether samples of a shape (n, ...) can be standardised in memory as float32."""
        return float32_mb(shape) * COPIES <= self.max_memory_mb

    def check_disk(self, source: str, needed_bytes: int) -> None:
        """Check the free disk space.

        Raises:
            InvalidDataError: The disk has less than `needed_bytes` free.
        """
        free = shutil.disk_usage(self.folder).free
        if needed_bytes > free:
            raise InvalidDataError(
                f"{source}: needs {needed_bytes / 1e6:,.0f} MB on the disk of {self.folder}, which "
                f"has {free / 1e6:,.0f} MB free. Set cache to another folder, or use less data."
            )

    def require(self, source: str, shape: tuple[int, ...]) -> None:
        """Check that samples that must be in memory fit.

        Raises:
            InvalidDataError: They need more than `max_memory_mb`.
        """
        if not self.fits(shape):
            raise InvalidDataError(
                f"{source}: {shape[0]:,} samples of {math.prod(shape[1:]):,} numbers need "
                f"{float32_mb(shape) * COPIES:,.0f} MB of memory, but the limit is "
                f"{self.max_memory_mb:,.0f} MB. Use fewer rows or columns, or raise max_memory_mb; "
                "only .npz files and images are read in parts."
            )

    def allocate(
        self, source: str, shape: tuple[int, ...], dtype: DTypeLike, name: str | None = None
    ) -> Any:
        """Return a writable array: in memory if it fits, else a memory map of a new file.

        Args:
            source: Description of the data, for messages.
            shape: (n, ...).
            dtype: Number type.
            name: Name of the file, unique to these samples; `kept` reads the file again. None: the
                file is temporary.
        """
        if self.fits(shape):
            return np.zeros(shape, dtype)
        self.check_disk(source, math.prod(shape) * np.dtype(dtype).itemsize)
        folder = self.temporary if name is None else self.folder
        part = unfinished(folder / f"{name or 'samples'}.npy")
        return np.lib.format.open_memmap(part, "w+", np.dtype(dtype), shape)

    def finish(self, array: Any, name: str | None = None) -> ArrayLike:
        """Finish writing an array from `allocate`, and return the array for reading."""
        if not isinstance(array, np.memmap):
            return array  # type: ignore[no-any-return]
        array.flush()
        part = Path(str(array.filename))
        path = part.with_suffix(".npy") if name is None else part.with_name(f"{name}.npy")
        part.replace(path)  # atomic
        return MappedArray(path, self)

    def kept(self, name: str) -> MappedArray | None:
        """Return the samples that an earlier run cached under this name, or None."""
        if self.cache is None or not (path := self.cache / f"{name}.npy").is_file():
            return None
        return MappedArray(path, self)

    def keep_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Keep plain data beside the samples of a name, if there is a persistent folder."""
        if self.cache is not None:
            write_atomically(self.folder / f"{name}.json", json.dumps(facts))

    def kept_facts(self, name: str) -> dict[str, Any] | None:
        """Return the plain data that an earlier run kept under this name, or None."""
        if self.cache is None or not (path := self.cache / f"{name}.json").is_file():
            return None
        return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_temporary": None}


def chunks(x: ArrayLike, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """Yield the samples of the given rows in order, in chunks of about `CHUNK_BYTES`."""
    each = max(1, math.prod(x.shape[1:]) * 8)
    step = max(1, CHUNK_BYTES // each)
    for start in range(0, len(rows), step):
        yield x[rows[start : start + step]]


def float32_mb(shape: tuple[int, ...]) -> float:
    """Return the size of float32 samples in 10^6 bytes."""
    return 4 * math.prod(shape) / 1e6


def free_memory_mb() -> float:
    """Return the available memory in 10^6 bytes."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        values = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(values["MemAvailable"].split()[0]) * 1024 / 1e6
    except (OSError, KeyError, ValueError):
        return UNKNOWN_FREE_MB
