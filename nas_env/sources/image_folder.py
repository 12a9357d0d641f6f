"""`image-folder`: one folder for each class, optionally inside one folder for each split."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import digest
from nas_env.errors import InvalidDataError
from nas_env.sources._images import encode_images, pil
from nas_env.sources.base import (
    NOT_SAID,
    SOURCES,
    SPLIT_NAMES,
    TRAIN,
    Encoded,
    ReadOptions,
    Samples,
    Source,
    does_not_apply,
    existing,
    no_such_file,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


class _File(NamedTuple):
    path: Path
    label: str
    split: int


@SOURCES.register("image-folder")
class ImageFolder(Source):
    """`FOLDER/CLASS/IMAGE`, or `FOLDER/train/CLASS/IMAGE` with `val` and `test` beside it.

    This is the layout of torchvision's `ImageFolder`. Images are PNG, JPEG or other formats that
    Pillow reads, of any size, grey or colour. They may be in subfolders of the class folder. Hidden
    files are ignored.
    """

    def recognises(self, data: Any) -> bool:
        """Return whether data are a folder that was not written by Hugging Face."""
        path = existing(data)
        if path is None or not path.is_dir():
            return False
        return not any((path / x).is_file() for x in ("dataset_dict.json", "state.json"))

    def read(self, data: Any, options: ReadOptions) -> Samples:
        """List the images; they are decoded later, by `encode`."""
        folder = existing(data)
        if folder is None:
            raise no_such_file(data)
        for name in ("target", "problem"):
            if (value := getattr(options, name)) not in (None, "classification"):
                raise does_not_apply(str(folder), name, value, "images in folders of their class")
        image = pil()
        files, others = _files(folder)
        paths = [file.path for file in files]

        def encode(train: NDArray[np.int64]) -> Encoded:
            name = f"images-{_digest(folder, paths, options)}"
            count = len(paths)
            return encode_images(
                str(folder), count, lambda x: image.open(paths[x]), _namer(paths), options, name
            )

        return Samples(
            str(folder),
            "image-folder",
            np.array([file.label for file in files]),
            np.array([file.split for file in files], dtype=np.int8),
            encode,
            lambda row: str(paths[row]),
            notes=(*_others_note(others), *_deeper_note(files)),
        )


def _namer(paths: list[Path]) -> Any:
    return lambda row: str(paths[row])


def _files(folder: Path) -> tuple[list[_File], list[Path]]:
    """Return the images with their split and class, and all other files."""
    top = _subfolders(folder)
    splits = {x: SPLIT_NAMES[x.name.lower()] for x in top if x.name.lower() in SPLIT_NAMES}
    split_first = top and len(splits) == len(top)
    if not split_first:
        _check_no_split(top, splits)
    roots = list(splits.items()) if split_first else [(folder, NOT_SAID)]
    files: list[_File] = []
    others: list[Path] = []
    for root, split in roots:
        classes = _subfolders(root)
        others += _beside(root)
        _check_classes(root, classes)
        for label in classes:
            images = _images(label, others)
            if not images:
                raise InvalidDataError(
                    f"{label}: holds no images ({', '.join(SUFFIXES[:4])}, …). Every folder is "
                    "a class: remove this one, or put images in it."
                )
            files += [_File(path, label.name, split) for path in images]
    return files, others


def _check_no_split(top: list[Path], splits: dict[Path, int]) -> None:
    """Raise if a training split is beside folders that are not splits.

    A class may be called train.
    """
    for train in (path for path, split in splits.items() if split == TRAIN and _subfolders(path)):
        other = next(path for path in top if path not in splits)
        raise InvalidDataError(
            f"{other}: is not a split, but is in the same folder as {train.name}, which looks like "
            f"a split. Move it, or rename it to one of {', '.join(SPLIT_NAMES)}; if {train.name} "
            "is a class, rename that."
        )


def _beside(root: Path) -> list[Path]:
    """Return the images that are directly in a folder of class folders, sorted."""
    images = (x for x in root.iterdir() if x.suffix.lower() in SUFFIXES and x.is_file())
    return sorted(x for x in images if not x.name.startswith("."))


def _check_classes(root: Path, classes: list[Path]) -> None:
    if len(classes) > 1:
        return
    if not classes:
        raise InvalidDataError(
            f"{root}: has no class folder ({len(_beside(root))} images are directly in it). "
            "Needed: FOLDER/CLASS/IMAGE, or FOLDER/train/CLASS/IMAGE and FOLDER/test/CLASS/IMAGE."
        )
    if root.name.lower() not in SPLIT_NAMES:
        raise InvalidDataError(
            f"{root}: has one class only, {classes[0].name}. At least two classes are needed, each "
            "in its own folder."
        )


def _subfolders(folder: Path) -> list[Path]:
    hidden = (".", "__MACOSX")
    return sorted(x for x in folder.iterdir() if x.is_dir() and not x.name.startswith(hidden))


def _images(folder: Path, others: list[Path]) -> list[Path]:
    """Return the images below a folder, sorted, and append all other files to `others`."""
    images: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or path.name == "Thumbs.db" or not path.is_file():
            continue
        (images if path.suffix.lower() in SUFFIXES else others).append(path)
    return images


def _others_note(others: list[Path]) -> tuple[str, ...]:
    images = [path for path in others if path.suffix.lower() in SUFFIXES]
    rest = [path for path in others if path.suffix.lower() not in SUFFIXES]
    ignored = {"Files that are not images": rest, "Images outside the class folders": images}
    return tuple(
        f"{what} were left out: {len(paths)}, such as {paths[0].name}."
        for what, paths in ignored.items()
        if paths
    )


def _deeper_note(files: list[_File]) -> tuple[str, ...]:
    """Return a note if images are in subfolders of class folders."""
    deeper = [x for x in files if x.path.parent.name != x.label]
    if not deeper:
        return ()
    path = deeper[0].path
    inner = f"{deeper[0].label}/…/{path.parent.name}"
    return (
        f"{len(deeper)} images are in folders within class folders, such as {inner}: the outer "
        f"folder, {deeper[0].label}, is used as the class.",
    )


def _digest(folder: Path, paths: list[Path], options: ReadOptions) -> str:
    """Return a hash of the name, size and time of all files, and of the requested image size."""
    files = [
        [str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns]
        for path in paths
    ]
    return digest([files, list(options.size or ())])[:16]
