"""`arrays`: classification of images or vectors from an `.npz` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError
from nas_env.tasks.base import TASKS
from nas_env.tasks.supervised import Split, SupervisedTask, stratified_split

LAYOUTS = "`x`, `y` or `x_train`, `y_train`[, `x_val`, `y_val`], `x_test`, `y_test`"
MIN_PER_CLASS = 5
CHANNELS = (1, 3, 4)
Arrays = dict[str, NDArray[Any]]


class _Pair(NamedTuple):
    x: NDArray[np.float32]  # (n, channels, height, width) or (n, features)
    y: NDArray[Any]  # (n,) labels as in the file


@TASKS.register("arrays")
def arrays(data: str | Path | Mapping[str, NDArray[Any]]) -> SupervisedTask:
    """Return the task of a file (or mapping) of arrays.

    Args:
        data: Path of an `.npz` file, or a mapping, with `x`, `y` (split 60/20/20), or `x_train`,
            `y_train`, `x_test`, `y_test` and perhaps `x_val`, `y_val` (without them, a fifth of the
            training part is the validation split). Images are (n, height, width), channels last
            (n, height, width, 1 | 3 | 4) or first; vectors are (n, features). Labels are (n,)
            integers or strings, one of two or more classes each. Splits are stratified, by a seed
            of the task's own.

    Raises:
        InvalidDataError: The file or its content breaks one of these rules.
    """
    source, content = _read(data)
    parts = _parts(source, content)
    classes = np.unique(parts["train"].y)
    splits = {name: _encode(source, name, pair, classes) for name, pair in parts.items()}
    if len({part.x.shape[1:] for part in parts.values()}) > 1:
        shapes = {name: part.x.shape[1:] for name, part in parts.items()}
        raise InvalidDataError(
            f"{source}: samples have different shapes {shapes}. "
            "Make them equal, such as by resizing."
        )
    parts_in_order = splits["train"], splits["validation"], splits["test"]
    return SupervisedTask("arrays", *parts_in_order, len(classes), classes=classes)


def _read(data: str | Path | Mapping[str, NDArray[Any]]) -> tuple[str, Arrays]:
    if isinstance(data, Mapping):
        return "The given arrays", {key: _array(key, value) for key, value in data.items()}
    path = Path(data)
    if not path.is_file():
        raise InvalidDataError(f"{path}: no such file. Give the path of an existing .npz file.")
    wanted = [f"{axis}{part}" for axis in "xy" for part in ("", "_train", "_val", "_test")]
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.lib.npyio.NpzFile):
            with file:
                return str(path), {name: file[name] for name in file.files if name in wanted}
    except Exception as error:  # damage shows as BadZipFile, zlib.error, NotImplementedError, ...
        raise InvalidDataError(
            f"{path}: not a readable .npz archive of plain arrays ({error}). "
            f"Write it with numpy.savez and the names {LAYOUTS}; object arrays are not accepted."
        ) from None
    raise InvalidDataError(
        f"{path}: a single array, not an .npz archive. "
        f"Save it with numpy.savez and the names {LAYOUTS}."
    )


def _array(name: str, value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors on a device
        raise InvalidDataError(
            f"The given arrays: {name} must be one array of equally large samples, but is a "
            f"{type(value).__name__} that numpy cannot take ({str(error).rstrip('.')}). "
            "Make the samples equal, such as by resizing, and give numpy arrays."
        ) from None


def _parts(source: str, content: Arrays) -> dict[str, _Pair]:
    names = set(content)
    if names == {"x", "y"}:
        whole = _pair(source, content, "")
        shares = (0.6, 0.2, 0.2)
        cut = _cut(source, whole, shares)
        return dict(zip(("train", "validation", "test"), cut, strict=True))
    required = {"x_train", "y_train", "x_test", "y_test"}
    given_validation = {"x_val", "y_val"} & names
    if not required <= names or len(given_validation) == 1 or names & {"x", "y"}:
        raise InvalidDataError(
            f"{source}: has the arrays {', '.join(sorted(names)) or 'none'}. Needed: {LAYOUTS}."
        )
    train, test = _pair(source, content, "_train"), _pair(source, content, "_test")
    if given_validation:
        return {"train": train, "validation": _pair(source, content, "_val"), "test": test}
    train, validation = _cut(source, train, (0.8, 0.2))
    return {"train": train, "validation": validation, "test": test}


def _cut(source: str, pair: _Pair, shares: tuple[float, ...]) -> list[_Pair]:
    labels, codes, counts = np.unique(pair.y, return_inverse=True, return_counts=True)
    rarest = int(counts.argmin())
    if len(labels) > 1 and counts[rarest] < MIN_PER_CLASS:
        raise InvalidDataError(
            f"{source}: class {labels[rarest]!s} has {counts[rarest]} samples; a stratified split "
            f"needs at least {MIN_PER_CLASS}. Add samples, drop the class, or give the splits."
        )
    parts = stratified_split(codes.astype(np.int64), shares)
    return [_Pair(pair.x[part], pair.y[part]) for part in parts]


def _pair(source: str, content: Arrays, suffix: str) -> _Pair:
    x_name, y_name = f"x{suffix}", f"y{suffix}"
    x, y = content[x_name], content[y_name]
    if y.ndim != 1 or y.dtype.kind not in "iuUSb":
        raise InvalidDataError(
            f"{source}: {y_name} must be (n,) integers or strings, but is {y.shape} {y.dtype}. "
            "Give one class label per sample."
        )
    if x.dtype.kind not in "iufb":
        raise InvalidDataError(
            f"{source}: {x_name} must hold numbers, but is {x.dtype}. Convert it to float32."
        )
    if x.size == 0:
        raise InvalidDataError(f"{source}: {x_name} is empty {x.shape}. Every split needs samples.")
    samples = _channels_first(source, x_name, x)
    if len(x) != len(y):
        raise InvalidDataError(
            f"{source}: {x_name} has {len(x)} samples, but {y_name} has {len(y)} labels. "
            "They must be as many."
        )
    if not np.isfinite(samples).all():
        bad = np.argwhere(~np.isfinite(samples))[0]
        raise InvalidDataError(
            f"{source}: {x_name} sample {bad[0]} holds NaN or infinity. Remove or fill it."
        )
    return _Pair(samples, y)


def _channels_first(source: str, name: str, x: NDArray[Any]) -> NDArray[np.float32]:
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        x = x.transpose(0, 3, 1, 2)
    elif x.ndim not in (2, 4) or (x.ndim == 4 and x.shape[1] not in CHANNELS):
        raise InvalidDataError(
            f"{source}: {name} has shape {x.shape}. Needed: vectors (n, features), or images "
            "(n, height, width), (n, height, width, channels), (n, channels, height, width) "
            "with 1, 3 or 4 channels."
        )
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite and is refused
        return np.ascontiguousarray(x, dtype=np.float32)


def _encode(source: str, split: str, pair: _Pair, classes: NDArray[Any]) -> Split:
    if len(classes) < 2:
        raise InvalidDataError(
            f"{source}: all training labels are {classes[0]!s}. At least two classes are needed."
        )
    unknown = np.setdiff1d(pair.y, classes)
    if len(unknown):
        raise InvalidDataError(
            f"{source}: label {unknown[0]!s} of the {split} split is in no training sample. "
            f"Training labels: {', '.join(map(str, classes[:12]))}."
        )
    return Split(pair.x, np.searchsorted(classes, pair.y).astype(np.int64))
