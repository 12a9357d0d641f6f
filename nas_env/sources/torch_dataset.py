"""`torch-dataset`: a map-style dataset of torch or torchvision, or one for each split."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas_env.errors import InvalidDataError, MissingDependencyError
from nas_env.extras import sentence
from nas_env.registry import unknown_name
from nas_env.sources._image_list import skipped_note
from nas_env.sources._torch_samples import TorchSamples
from nas_env.sources.base import (
    NOT_SAID,
    SOURCES,
    SPLIT_NAMES,
    TEST,
    TRAIN,
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
        splits = [_split(source, name) for name in parts]
        samples = TorchSamples(source, parts, options)
        skipped = samples.leave_out_unreadable() if options.skip_bad_files else []
        targets = samples.read()
        names = getattr(next(iter(parts.values())), "classes", None)
        whole = targets.dtype.kind in "iu"
        enough = whole and isinstance(names, Sequence) and len(names) > targets.max(initial=0)
        classes = tuple(map(str, names)) if enough and names else None
        split = np.array([splits[part] for part, _ in samples.rows], dtype=np.int8)
        return Samples(
            source,
            "torch-dataset",
            targets,
            split,
            samples.encode,
            samples.where,
            classes,
            notes=skipped_note(skipped, "Samples"),
        )


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
