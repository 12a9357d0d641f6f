"""`hugging-face`: a data set of the package `datasets`, with labelled images or as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import digest
from nas_env.errors import InvalidDataError
from nas_env.extras import require
from nas_env.sources._image_list import ImageList, skipped_note
from nas_env.sources._images import encode_images
from nas_env.sources.base import (
    NOT_SAID,
    SOURCES,
    SPLIT_NAMES,
    Encoded,
    ReadOptions,
    Samples,
    Source,
    existing,
)
from nas_env.sources.table import samples_of_table

PREFIX = "huggingface:"
WRITTEN = ("dataset_dict.json", "state.json")  # files that `save_to_disk` writes
TARGETS = ("label", "labels", "target", "class", "y")


@SOURCES.register("hugging-face")
class HuggingFace(Source):
    """A `Dataset` or `DatasetDict`, a folder that `save_to_disk` wrote, or `huggingface:NAME`.

    If a column holds images, they are the samples, and the label column is the target. Otherwise
    the data set is read as a table. `huggingface:NAME` is downloaded by `datasets.load_dataset`.
    """

    def recognises(self, data: Any) -> bool:
        """Return whether data are a data set of the package, a folder it wrote, or a name."""
        if isinstance(data, str) and data.startswith(PREFIX):
            return True
        if (path := existing(data)) is not None:
            return any((path / name).is_file() for name in WRITTEN)
        parts = list(data.values()) if isinstance(data, Mapping) else [data]
        return bool(parts) and all(_is_dataset(part) for part in parts)

    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Read the images, or the columns of a table."""
        source = str(data) if isinstance(data, str | Path) else f"The given {type(data).__name__}"
        if isinstance(data, str | Path):
            data = _loaded(str(data))
        parts = dict(data) if isinstance(data, Mapping) else {"": data}
        for name in parts:
            if name and name.lower() not in SPLIT_NAMES:
                raise InvalidDataError(
                    f"{source}: split {name!r} is unknown. Give a DatasetDict with the splits "
                    "train, validation and test, or a single split."
                )
        splits = [SPLIT_NAMES[name.lower()] if name else NOT_SAID for name in parts]
        datasets = list(parts.values())
        counts = [len(dataset) for dataset in datasets]
        row_splits = np.repeat(splits, counts).astype(np.int8)
        features = datasets[0].features
        images = [name for name, x in features.items() if type(x).__name__ == "Image"]
        if images:
            return _images(source, _Rows(parts), images[0], row_splits, options)
        return _table(source, datasets, row_splits, options)


def _is_dataset(data: Any) -> bool:
    return hasattr(data, "features") and hasattr(data, "to_pandas") and hasattr(data, "__len__")


def _loaded(name: str) -> Any:
    require("Data sets of Hugging Face need", "data", "datasets")
    import datasets

    try:
        if name.startswith(PREFIX):
            return datasets.load_dataset(name.removeprefix(PREFIX))
        return datasets.load_from_disk(name)
    except Exception as error:  # from the hub, the network or the disk
        raise InvalidDataError(
            f"{name}: cannot be loaded ({type(error).__name__}: {str(error).rstrip('.')}). Check "
            "the name and the network, or give the result of datasets.load_dataset."
        ) from None


class _Rows:
    """The concatenated rows of several data sets."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.names, self.datasets = list(parts), list(parts.values())
        self.starts = np.cumsum([0, *map(len, self.datasets)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def place(self, row: int) -> tuple[int, int]:
        """Return the number of the data set that contains a row, and the row's index in it."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return part, row - int(self.starts[part])

    def where(self, row: int) -> str:
        """Return the name of a row, for messages."""
        part, index = self.place(row)
        return f"row {index}" + (f" of {self.names[part]}" if self.names[part] else "")

    def value(self, row: int, column: str) -> Any:
        """Return one value, decoded at each call."""
        part, index = self.place(row)
        return self.datasets[part][index][column]


def _images(
    source: str, rows: _Rows, column: str, row_splits: NDArray[np.int8], options: ReadOptions
) -> Samples:
    target = _label(source, rows.datasets[0], options.target)

    def images(kept: list[int]) -> ImageList:
        return ImageList(
            source,
            len(kept),
            lambda number: rows.value(kept[number], column),
            lambda number: f"{source}: {rows.where(kept[number])}",
        )

    kept, skipped = list(range(len(rows))), list[str]()
    if options.skip_bad_files:
        bad = images(kept).unreadable()
        skipped = [rows.where(row) for row in bad]
        kept = [row for row in kept if row not in bad]

    def encode(train: NDArray[np.int64]) -> Encoded:
        prints = [str(getattr(x, "_fingerprint", "")) for x in rows.datasets]
        settings = [prints, list(options.size or ()), *([kept] if skipped else [])]
        name = f"hugging-face-{digest(settings)[:16]}"
        return encode_images(images(kept), options, train, name)

    targets = np.concatenate([np.asarray(dataset[target]) for dataset in rows.datasets])
    names = getattr(rows.datasets[0].features[target], "names", None)
    return Samples(
        source,
        "hugging-face",
        targets[kept],
        row_splits[kept],
        encode,
        lambda row: rows.where(kept[row]),
        tuple(names) if names else None,
        notes=(
            f"The images are the column {column!r}, the targets {target!r}.",
            *skipped_note(skipped),
        ),
    )


def _label(source: str, dataset: Any, wanted: str | int | None) -> str:
    names = list(dataset.features)
    targets = [name for name in names if name.lower() in TARGETS]
    candidates = targets if wanted is None else [str(wanted)]
    if len(candidates) != 1 or candidates[0] not in names:
        raise InvalidDataError(
            f"{source}: which column is the target? Set target=NAME. Columns: {', '.join(names)}."
        )
    return candidates[0]


def _table(
    source: str, datasets: list[Any], row_splits: NDArray[np.int8], options: ReadOptions
) -> Samples:
    require("Tables need", "data", "pandas")
    import pandas

    table = pandas.concat([dataset.to_pandas() for dataset in datasets], ignore_index=True)
    target = options.target
    if target is None and "label" not in table.columns and "labels" in table.columns:
        target = "labels"
    column = (
        str(target)
        if target is not None
        else next((x for x in table.columns if x.lower() in TARGETS), "")
    )
    feature = datasets[0].features.get(column)
    names = getattr(feature, "names", None)
    classes = tuple(names) if names else None
    return samples_of_table(
        source, table, replace(options, target=target), row_splits, classes, "hugging-face"
    )
