"""`npz`: arrays in an `.npz` file or a mapping."""

from __future__ import annotations

import math
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.sources._array_names import LAYOUTS, PARTS, named, role_of, says_labels
from nas_env.sources.base import (
    SOURCES,
    Encoded,
    ReadOptions,
    Samples,
    Source,
    does_not_apply,
)
from nas_env.sources.storage import ArrayLike, MappedArray, Storage

CHANNELS = (1, 3, 4)
HEADER_2 = np.lib.format.read_array_header_2_0


class Arrays(NamedTuple):
    """Arrays of a file or mapping.

    Attributes:
        source: Name of the data, for messages.
        content: Array, in memory or mapped, for each role, such as "x_train".
        names: Name of each of these arrays.
        others: Names of the other arrays.
    """

    source: str
    content: dict[str, Any]
    names: dict[str, str]
    others: list[str]


@SOURCES.register("npz")
class Npz(Source):
    """`x`, `y`, or `x_train`, `y_train`[, `x_val`, `y_val`], `x_test`, `y_test`.

    Other words for these are known too, such as `train_images`, `train_labels` and `x_valid`.
    Images are (n, height, width), channels last (n, height, width, 1 | 3 | 4) or first; vectors are
    (n, features). Labels are (n,) or (n, 1) integers or text; numbers with fractions are
    regression.
    """

    def recognises(self, data: Any) -> bool:
        """Return whether data are a mapping of arrays, or the path of an `.npz` or `.npy`."""
        if isinstance(data, Mapping):
            return bool({"x", "x_train"} & {role_of(str(name)) for name in data}) or all(
                isinstance(value, np.ndarray | list) for value in data.values()
            )
        return isinstance(data, str | Path) and Path(data).suffix.lower() in (".npz", ".npy")

    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Read the arrays; an array that does not fit in memory is unpacked and memory-mapped."""
        arrays = _read(data, options.storage)
        source = arrays.source
        for name in ("target", "image_size"):
            if (value := getattr(options, name)) is not None:
                raise does_not_apply(source, name, value, "arrays")
        if options.skip_bad_files:
            raise does_not_apply(source, "skip_bad_files", True, "arrays")
        suffixes = _suffixes(arrays)
        pairs = {arrays.names[f"x{part}"]: _pair(arrays, part) for part in suffixes}
        counts = [len(y) for _, y in pairs.values()]
        row_splits = np.repeat([PARTS[part] for part in suffixes], counts).astype(np.int8)
        xs = {name: x for name, (x, _) in pairs.items()}

        def where(row: int) -> str:
            for name, count in zip(pairs, counts, strict=True):
                if row < count:
                    return f"sample {row} of {name}"
                row -= count
            return f"sample {row}"

        def encode(train: NDArray[np.int64]) -> Encoded:
            return Encoded(_together(source, xs, options.storage))

        y = np.concatenate([y for _, y in pairs.values()])
        labelled = all(says_labels(arrays.names[f"y{part}"]) for part in suffixes)
        notes = _notes(arrays)
        return Samples(source, "npz", y, row_splits, encode, where, notes=notes, labelled=labelled)


def _notes(arrays: Arrays) -> tuple[str, ...]:
    """Return what was left out, and which arrays have other names than the usual ones."""
    notes = []
    if arrays.others:
        notes.append(f"Arrays with other names were left out: {', '.join(arrays.others)}.")
    renamed = [f"{name} as {role}" for role, name in arrays.names.items() if role != name]
    if renamed:
        notes.append(f"Arrays are read by the meaning of their names: {', '.join(renamed)}.")
    return tuple(notes)


def _header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and number type of an array in an archive, without reading it."""
    with file.zip.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else HEADER_2
        shape, _, dtype = header(stream)
    return shape, dtype


def _read(data: Any, storage: Storage) -> Arrays:
    """Return the known arrays, and the names of the others."""
    if isinstance(data, Mapping):
        given = {str(name): value for name, value in data.items()}
        names = named("The given arrays", list(given))
        content = {role: _array(name, given[name]) for role, name in names.items()}
        others = [name for name in given if name not in names.values()]
        return Arrays("The given arrays", content, names, others)
    path = Path(data)
    if not path.is_file():
        if path.is_dir():
            raise InvalidDataError(f"{path}: a folder, not an .npz file. Give the path of a file.")
        raise InvalidDataError(f"{path}: no such file. Give the path of an existing .npz file.")
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.lib.npyio.NpzFile):
            with file:
                names = named(str(path), file.files)
                content = {x: _entry(path, file, x, name, storage) for x, name in names.items()}
                others = [name for name in file.files if name not in names.values()]
                return Arrays(str(path), content, names, others)
    except InvalidDataError:
        raise
    except Exception as error:  # damage shows as BadZipFile, zlib.error, NotImplementedError, ...
        raise InvalidDataError(
            f"{path}: not a readable .npz archive of plain arrays ({error}). "
            f"Write it with numpy.savez and the names {LAYOUTS}; object arrays are not accepted."
        ) from None
    raise InvalidDataError(
        f"{path}: a single array, not an .npz archive. "
        f"Save it with numpy.savez and the names {LAYOUTS}."
    )


def _entry(path: Path, file: Any, role: str, name: str, storage: Storage) -> Any:
    """Return one array of an archive, memory-mapped if it does not fit in memory."""
    shape, dtype = _header(file, name) if role[0] == "x" else ((), np.dtype(bool))
    if role[0] == "y" or dtype.hasobject or storage.fits(shape):
        return file[name]
    member = file.zip.getinfo(f"{name}.npy")
    storage.check_disk(str(path), member.file_size)
    unpacked = storage.temporary / f"{name}.npy"
    with (
        zipfile.ZipFile(path) as archive,
        archive.open(member) as stream,
        unpacked.open("wb") as target,
    ):
        shutil.copyfileobj(stream, target)
    return MappedArray(unpacked, storage)


def _array(name: str, value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors on a device
        raise InvalidDataError(
            f"The given arrays: {name} must be one array of samples of one shape, got a "
            f"{type(value).__name__} that numpy cannot convert ({str(error).rstrip('.')}). "
            "Make the shapes equal, for example by resizing, and give numpy arrays."
        ) from None


def _suffixes(arrays: Arrays) -> list[str]:
    """Return the suffixes of the splits that the arrays have."""
    names = set(arrays.content)
    if names == {"x", "y"}:
        return [""]
    required = {"x_train", "y_train", "x_test", "y_test"}
    given_validation = {"x_val", "y_val"} & names
    if not required <= names or len(given_validation) == 1 or names & {"x", "y"}:
        listing = ", ".join(sorted([*arrays.names.values(), *arrays.others])) or "none"
        raise InvalidDataError(f"{arrays.source}: has the arrays {listing}. Needed: {LAYOUTS}.")
    return ["_train", "_val", "_test"] if given_validation else ["_train", "_test"]


def _pair(arrays: Arrays, suffix: str) -> tuple[Any, NDArray[Any]]:
    """Check one part and return its samples, unchanged, and its labels (n,)."""
    source = arrays.source
    x_name, y_name = arrays.names[f"x{suffix}"], arrays.names[f"y{suffix}"]
    x, y = arrays.content[f"x{suffix}"], arrays.content[f"y{suffix}"]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iuUSbf":
        raise InvalidDataError(
            f"{source}: {y_name} must be (n,) numbers or strings, got {y.shape} {y.dtype}. "
            "Give one class label per sample."
        )
    if x.dtype.kind not in "iufb":
        raise InvalidDataError(
            f"{source}: {x_name} must hold numbers, got {x.dtype}. Convert it to float32."
        )
    if 0 in x.shape:
        raise InvalidDataError(f"{source}: {x_name} is empty {x.shape}. Every split needs samples.")
    _channels_first(source, x_name, x[:1] if x.shape else np.asarray(x), x.shape)
    if len(x) != len(y):
        raise InvalidDataError(
            f"{source}: {x_name} has {len(x)} samples, but {y_name} has {len(y)} labels. "
            "Give one label for each sample."
        )
    return x, np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y


def _channels_first(
    source: str, name: str, x: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return samples as (n, channels, height, width) or (n, features)."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        return x.transpose(0, 3, 1, 2)
    if x.ndim not in (2, 4) or (x.ndim == 4 and x.shape[1] not in CHANNELS):
        raise InvalidDataError(
            f"{source}: {name} has shape {shape}. Needed: vectors (n, features), or images "
            "(n, height, width), (n, height, width, channels), (n, channels, height, width) "
            "with 1, 3 or 4 channels."
        )
    return x


def _together(source: str, xs: Mapping[str, Any], storage: Storage) -> ArrayLike:
    """Check the samples of all parts and return them in one array, as float32 if they fit."""
    firsts = {
        name: _channels_first(source, name, x[:1], x.shape).shape[1:] for name, x in xs.items()
    }
    if len(set(firsts.values())) > 1:
        raise InvalidDataError(
            f"{source}: samples have different shapes {firsts}. "
            "Make them equal, for example by resizing."
        )
    count, shape = sum(map(len, xs.values())), next(iter(firsts.values()))
    small = storage.fits((count, *shape))
    dtypes = {np.dtype(x.dtype) for x in xs.values()}
    dtype = np.dtype(np.uint8) if not small and dtypes == {np.dtype(np.uint8)} else np.float32
    together = storage.allocate(source, (count, *shape), dtype)
    step, start = max(1, 8_000_000 // math.prod(shape)), 0
    for name, x in xs.items():
        for begin in range(0, len(x), step):
            block = _channels_first(source, name, x[begin : begin + step], x.shape)
            with np.errstate(over="ignore"):  # overflow becomes infinite, which is checked
                together[start : start + len(block)] = block
            _check_finite(source, name, together[start : start + len(block)], begin)
            start += len(block)
        if isinstance(x, MappedArray):
            x.path.unlink()  # its samples are now in the other file
    return storage.finish(together)


def _check_finite(source: str, name: str, block: NDArray[Any], begin: int) -> None:
    if not np.isfinite(block).all():
        bad = np.argwhere(~np.isfinite(block))[0]
        raise InvalidDataError(
            f"{source}: {name} sample {begin + bad[0]} holds NaN or infinity. Remove or fill it."
        )
