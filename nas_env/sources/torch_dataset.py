"""`torch-dataset`: a map-style dataset of torch or torchvision, or one for each split."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import InvalidDataError, MissingDependencyError
from nas_env.extras import sentence
from nas_env.registry import unknown_name
from nas_env.sources._images import deep_note, image_step, is_deep, pixels
from nas_env.sources.base import (
    NOT_SAID,
    SOURCES,
    SPLIT_NAMES,
    TEST,
    TRAIN,
    Encoded,
    ReadOptions,
    Samples,
    Source,
    does_not_apply,
)

PREFIX = "torchvision:"


@SOURCES.register("torch-dataset")
class TorchDataset(Source):
    """An object with `len` whose items `[i]` are (sample, target), or a mapping of such by split.

    A sample is a tensor, an array or a PIL image. All samples must have one shape, except that PIL
    images are resized if `image_size` is set. `torchvision:NAME` downloads the training and test
    split of a torchvision dataset to the cache folder.
    """

    def recognises(self, data: Any) -> bool:
        """Return whether data are a map-style dataset, a mapping of such, or `torchvision:NAME`."""
        if isinstance(data, str):
            return data.startswith(PREFIX)
        if isinstance(data, Mapping):
            return bool(data) and all(map(_map_style, data.values()))
        return _map_style(data)

    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Read all samples once."""
        source = data if isinstance(data, str) else f"The given {type(data).__name__}"
        if options.target is not None:
            raise does_not_apply(source, "target", options.target, "data sets of torch")
        if isinstance(data, str):
            data = _torchvision(data.removeprefix(PREFIX), options)
        parts = {str(k): v for k, v in data.items()} if isinstance(data, Mapping) else {"": data}
        row_splits = [np.full(len(part), _split(source, name)) for name, part in parts.items()]
        lengths = np.cumsum([0, *map(len, parts.values())])
        datasets = list(parts.values())
        encoded, targets = _collect(source, datasets, options)

        def where(row: int) -> str:
            part = int(np.searchsorted(lengths, row, side="right")) - 1
            name = list(parts)[part]
            return f"sample {row - lengths[part]}" + (f" of {name}" if name else "")

        def encode(train: NDArray[np.int64]) -> Encoded:
            return encoded

        names = getattr(datasets[0], "classes", None)
        whole = targets.dtype.kind in "iu"
        enough = whole and isinstance(names, Sequence) and len(names) > targets.max(initial=0)
        classes = tuple(map(str, names)) if enough and names else None
        split = np.concatenate(row_splits).astype(np.int8)
        return Samples(source, "torch-dataset", targets, split, encode, where, classes)


def _map_style(data: Any) -> bool:
    other_source = isinstance(data, str | bytes | Path | Mapping | np.ndarray | Sequence)
    other_source = other_source or hasattr(data, "to_pandas") or hasattr(data, "iloc")
    return not other_source and hasattr(data, "__getitem__") and hasattr(data, "__len__")


def _split(source: str, name: str) -> int:
    if not name:
        return NOT_SAID
    if name.lower() not in SPLIT_NAMES:
        raise InvalidDataError(
            f"{source}: split {name!r} is unknown. Rename it to one of {', '.join(SPLIT_NAMES)}."
        )
    return SPLIT_NAMES[name.lower()]


def _torchvision(name: str, options: ReadOptions) -> dict[str, Any]:
    try:
        from torchvision import datasets
    except ImportError:
        message = sentence("Data sets of torchvision need", ["torchvision"])
        raise MissingDependencyError(message) from None
    factory = getattr(datasets, name, None)
    if factory is None:
        raise unknown_name("data set of torchvision", name, datasets.__all__)
    try:
        return _splits_of(factory, str(options.storage.folder))
    except Exception as error:  # from the network, the disk or missing settings
        raise InvalidDataError(
            f"{PREFIX}{name}: cannot be loaded ({type(error).__name__}: {str(error).rstrip('.')}). "
            "Check the name and the network, or create the data set in Python and pass it."
        ) from None


def _splits_of(factory: Any, root: str) -> dict[str, Any]:
    """Return the splits of a torchvision dataset, downloaded to a folder."""
    settings = inspect.signature(factory).parameters
    arguments: dict[int, dict[str, Any]]
    if "train" in settings:
        arguments = {TRAIN: {"train": True}, TEST: {"train": False}}
    elif "split" in settings:
        arguments = {TRAIN: {"split": "train"}, TEST: {"split": "test"}}
    else:
        return {"train": factory(root, download=True)}
    both = {number: factory(root, download=True, **kwargs) for number, kwargs in arguments.items()}
    return {"train": both[TRAIN], "test": both[TEST]}


def _collect(
    source: str, datasets: Sequence[Any], options: ReadOptions
) -> tuple[Encoded, NDArray[Any]]:
    """Return samples (n, *shape) and targets (n,) of all data sets."""
    count, number, deep = sum(map(len, datasets)), 0, 0
    if not count:
        raise InvalidDataError(f"{source}: is empty. At least a few samples are needed.")
    x: Any = None
    steps: tuple[dict[str, Any], ...] = ()
    targets = []
    for dataset in datasets:
        for index in range(len(dataset)):
            place = f"{source}: sample {index}"
            raw, target = _pair(place, dataset, index)
            deep += _is_image(raw) and is_deep(raw)
            sample = _array(place, raw, options)
            if x is None:
                dtype = np.uint8 if sample.dtype == np.uint8 else np.float32
                shape = (count, *sample.shape)
                x = options.storage.allocate(source, shape, dtype)
                if _is_image(raw):
                    steps = (image_step(len(sample), sample.shape[1:]),)
            if x.dtype == np.uint8 and sample.dtype != np.uint8:
                raise InvalidDataError(
                    f"{place} holds {sample.dtype}, but the first sample holds uint8, which cannot "
                    "hold other values than integers from 0 to 255. Give all samples one number "
                    "type."
                )
            if sample.shape != x.shape[1:]:
                raise InvalidDataError(
                    f"{place} has shape {sample.shape}, but the first sample has {x.shape[1:]}. "
                    "Make the shapes equal, for example with image_size or a transform."
                )
            x[number] = sample
            if not np.isfinite(x[number]).all():
                raise InvalidDataError(f"{place} holds NaN or infinity. Remove or fill it.")
            targets.append(target)
            number += 1
    return Encoded(options.storage.finish(x), steps, notes=deep_note(deep)), np.array(targets)


def _pair(place: str, dataset: Any, index: int) -> tuple[Any, Any]:
    try:
        item = dataset[index]
        sample, target = item
        target = target.item() if hasattr(target, "item") else target
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidDataError(
            f"{place}: is not a pair of a sample and one target ({error}). Return (x, y) from "
            "__getitem__, where y is an integer, a text or a number."
        ) from None
    if not isinstance(target, str | int | float):
        raise InvalidDataError(
            f"{place}: its target is a {type(target).__name__}. Return one integer, text or number."
        )
    return sample, target


def _array(place: str, sample: Any, options: ReadOptions) -> NDArray[Any]:
    """Return one sample as (features,) or (channels, height, width)."""
    if _is_image(sample):
        colour = sample.mode not in ("1", "L", "LA") and not sample.mode.startswith("I;16")
        return pixels(sample, options.size or (sample.size[1], sample.size[0]), colour)
    x = np.asarray(sample)
    if options.size is not None and x.shape[-2:] != options.size:
        raise InvalidDataError(
            f"{place}: is an array of shape {x.shape}; image_size={options.size} resizes only PIL "
            "images. Resize it with a transform."
        )
    if x.ndim == 2:
        x = x[None]
    if x.ndim not in (1, 3) or x.dtype.kind not in "iufb" or 0 in x.shape:
        raise InvalidDataError(
            f"{place}: has shape {x.shape} and type {x.dtype}. Needed: numbers (features,), "
            "(height, width) or (channels, height, width), or a PIL image."
        )
    return x


def _is_image(sample: Any) -> bool:
    return isinstance(getattr(sample, "mode", None), str)  # of PIL
