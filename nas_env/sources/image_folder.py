"""`image-folder`: one folder for each class, with or without folders for the splits above."""

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
    existing,
    no_such_file,
    refuse,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


class _File(NamedTuple):
    path: Path
    label: str
    split: int


@SOURCES.register("image-folder")
class ImageFolder(Source):
    """`FOLDER/CLASS/IMAGE`, or `FOLDER/train/CLASS/IMAGE` with `val` and `test` beside it.

    The layout of torchvision's `ImageFolder`: PNG, JPEG and what else Pillow reads, of any size,
    grey or colour. Images lie anywhere below the folder of their class. Hidden files are not
    looked at.
    """

    def recognises(self, data: Any) -> bool:
        """Return whether data are a folder that Hugging Face has not written."""
        path = existing(data)
        if path is None or not path.is_dir():
            return False
        return not any((path / x).is_file() for x in ("dataset_dict.json", "state.json"))

    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Return the images' names now, the images when they are asked for."""
        folder = existing(data)
        if folder is None:
            raise no_such_file(data)
        for name in ("target", "problem"):
            if (value := getattr(options, name)) not in (None, "classification"):
                raise refuse(str(folder), name, value, "images in folders of their class")
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
    """Return the images by split and class, and files that are none."""
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
    """Refuse a training split beside folders that are no splits; a class may be called train."""
    for train in (path for path, split in splits.items() if split == TRAIN and _subfolders(path)):
        other = next(path for path in top if path not in splits)
        raise InvalidDataError(
            f"{other}: is no split, but lies beside {train.name}, which holds folders as a split "
            f"does. Move it away, or call it one of {', '.join(SPLIT_NAMES)}; if {train.name} is a "
            "class, give it another name."
        )


def _beside(root: Path) -> list[Path]:
    """Return the images that lie beside the folders of classes and are in none, sorted."""
    images = (x for x in root.iterdir() if x.suffix.lower() in SUFFIXES and x.is_file())
    return sorted(x for x in images if not x.name.startswith("."))


def _check_classes(root: Path, classes: list[Path]) -> None:
    if len(classes) > 1:
        return
    if not classes:
        raise InvalidDataError(
            f"{root}: has no folder for a class ({len(_beside(root))} images lie in it directly). "
            "Needed: FOLDER/CLASS/IMAGE, or FOLDER/train/CLASS/IMAGE and FOLDER/test/CLASS/IMAGE."
        )
    if root.name.lower() not in SPLIT_NAMES:
        raise InvalidDataError(
            f"{root}: has one class only, {classes[0].name}. At least two classes are needed, each "
            "in a folder of its own."
        )


def _subfolders(folder: Path) -> list[Path]:
    hidden = (".", "__MACOSX")
    return sorted(x for x in folder.iterdir() if x.is_dir() and not x.name.startswith(hidden))


def _images(folder: Path, others: list[Path]) -> list[Path]:
    """Return the images below a folder, sorted; put what is none to the others."""
    images: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or path.name == "Thumbs.db" or not path.is_file():
            continue
        (images if path.suffix.lower() in SUFFIXES else others).append(path)
    return images


def _others_note(others: list[Path]) -> tuple[str, ...]:
    images = [path for path in others if path.suffix.lower() in SUFFIXES]
    rest = [path for path in others if path.suffix.lower() not in SUFFIXES]
    left = {"Files that are no images": rest, "Images in no folder of a class": images}
    return tuple(
        f"{what} were left out: {len(paths)}, such as {paths[0].name}."
        for what, paths in left.items()
        if paths
    )


def _deeper_note(files: list[_File]) -> tuple[str, ...]:
    """Return what a user should know where images lie below folders of classes, not in them."""
    deeper = [x for x in files if x.path.parent.name != x.label]
    if not deeper:
        return ()
    path = deeper[0].path
    inner = f"{deeper[0].label}/…/{path.parent.name}"
    return (
        f"{len(deeper)} images lie in folders within those of the classes, such as {inner}: the "
        f"outer folder, {deeper[0].label}, is taken for the class.",
    )


def _digest(folder: Path, paths: list[Path], options: ReadOptions) -> str:
    """Return what changes with any file, by name, size and time, and with the size asked for."""
    files = [
        [str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns]
        for path in paths
    ]
    return digest([files, list(options.size or ())])[:16]
