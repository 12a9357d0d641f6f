"""`image-folder`: one folder for each class, optionally inside one folder for each split."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import digest
from nas_env.errors import InvalidDataError
from nas_env.sources._image_list import ImageList, pil, skipped_note
from nas_env.sources._images import encode_images
from nas_env.sources._walking import Walk
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

NO_IMAGES = (  # formats that Pillow registers, but that are no images, or that it cannot decode
    *("BUFR", "GRIB", "HDF5", "MPEG", "PDF", "IPTC"),
    *("EPS", "WMF"),  # drawings, which need other programs
)
RAW = frozenset(  # of cameras: TIFF by content, of which Pillow reads a small preview
    (".3fr", ".arw", ".cr2", ".dng", ".erf", ".kdc", ".nef", ".nrw", ".orf", ".pef", ".rw2", ".sr2")
)
BY_CONTENT = (  # formats whose first bytes are sure
    *("AVIF", "BMP", "DDS", "GIF", "ICNS", "JPEG", "JPEG2000", "MPO", "PNG", "PSD", "QOI"),
    *("TIFF", "WEBP"),
)


class _File(NamedTuple):
    path: Path
    label: str
    split: int


@SOURCES.register("image-folder")
class ImageFolder(Source):
    """`FOLDER/CLASS/IMAGE`, or `FOLDER/train/CLASS/IMAGE` with `val` and `test` beside it.

    This is the layout of torchvision's `ImageFolder`. Images are PNG, JPEG or other formats that
    Pillow reads, of any size, grey or colour. They may be in subfolders of the class folder, and in
    folders that links lead to. Hidden files and folders of systems and tools are left out.
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
        pil()
        walk = Walk()
        files, others = _files(folder, walk)
        skipped: list[str] = []
        if options.skip_bad_files:
            bad = _images_of(folder, files).unreadable()
            skipped = [_short(folder, files[number].path) for number in bad]
            files = [file for number, file in enumerate(files) if number not in bad]
        paths = [file.path for file in files]

        def encode(train: NDArray[np.int64]) -> Encoded:
            name = f"images-{_digest(folder, paths, options)}"
            return encode_images(_images_of(folder, files), options, train, name)

        return Samples(
            str(folder),
            "image-folder",
            np.array([file.label for file in files]),
            np.array([file.split for file in files], dtype=np.int8),
            encode,
            lambda row: str(paths[row]),
            notes=(
                *skipped_note(skipped),
                *walk.notes(),
                *_others_note(others),
                *_content_note(files),
                *_deeper_note(files),
            ),
        )


def image_suffixes() -> frozenset[str]:
    """Return the suffixes of the image formats that Pillow reads here, in lower case."""
    image = pil()
    image.init()
    # MPO is opened as JPEG; SPIDER registers whatever suffix it is written with.
    formats = {*image.OPEN, "MPO"} - {*NO_IMAGES, "SPIDER"}
    return frozenset(x for x, name in image.registered_extensions().items() if name in formats)


def is_image(path: Path) -> bool:
    """Return whether a file is an image: by its suffix, or by its content if that is unknown."""
    suffix = path.suffix.lower()
    if suffix in image_suffixes():
        return True
    if suffix in RAW or pil().registered_extensions().get(suffix) in NO_IMAGES:
        return False
    try:
        with pil().open(path, formats=[x for x in BY_CONTENT if x in pil().OPEN]) as image:
            if image.format == "BMP":  # a text may begin with its two letters
                image.load()
            return True
    except Exception:  # Pillow's readers raise OSError, SyntaxError, ValueError, ...
        return False


def _images_of(folder: Path, files: list[_File]) -> ImageList:
    return ImageList(
        str(folder),
        len(files),
        lambda number: pil().open(files[number].path),
        lambda number: str(files[number].path),
    )


def _short(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _files(folder: Path, walk: Walk) -> tuple[list[_File], list[Path]]:
    """Return the images with their split and class, and all other files."""
    top = walk.subfolders(folder)
    splits = {x: SPLIT_NAMES[x.name.lower()] for x in top if x.name.lower() in SPLIT_NAMES}
    split_first = top and len(splits) == len(top)
    if not split_first:
        _check_no_split(walk, top, splits)
    roots = list(splits.items()) if split_first else [(folder, NOT_SAID)]
    files: list[_File] = []
    others: list[Path] = []
    for root, split in roots:
        classes = walk.subfolders(root)
        beside = [path for path in walk.beside(root) if is_image(path)]
        others += beside
        _check_classes(root, classes, len(beside))
        for label in classes:
            images: list[Path] = []
            for path in walk.files(label):
                (images if is_image(path) else others).append(path)
            if not images:
                raise InvalidDataError(
                    f"{label}: holds no images (.png, .jpg, .jpeg, .bmp, …). Every folder is "
                    "a class: remove this one, or put images in it."
                )
            files += [_File(path, label.name, split) for path in images]
    return files, others


def _check_no_split(walk: Walk, top: list[Path], splits: dict[Path, int]) -> None:
    """Raise if a training split is beside folders that are not splits.

    A class may be called train.
    """
    trains = (path for path, split in splits.items() if split == TRAIN)
    for train in (path for path in trains if walk.subfolders(path)):
        other = next(path for path in top if path not in splits)
        raise InvalidDataError(
            f"{other}: is not a split, but is in the same folder as {train.name}, which looks like "
            f"a split. Move it, or rename it to one of {', '.join(SPLIT_NAMES)}; if {train.name} "
            "is a class, rename that."
        )


def _check_classes(root: Path, classes: list[Path], beside: int) -> None:
    if len(classes) > 1:
        return
    if not classes:
        raise InvalidDataError(
            f"{root}: has no class folder ({beside} images are directly in it). "
            "Needed: FOLDER/CLASS/IMAGE, or FOLDER/train/CLASS/IMAGE and FOLDER/test/CLASS/IMAGE."
        )
    if root.name.lower() not in SPLIT_NAMES:
        raise InvalidDataError(
            f"{root}: has one class only, {classes[0].name}. At least two classes are needed, each "
            "in its own folder."
        )


def _others_note(others: list[Path]) -> tuple[str, ...]:
    images, rest = list[Path](), list[Path]()
    for path in others:
        (images if is_image(path) else rest).append(path)
    ignored = {"Files that are not images": rest, "Images outside the class folders": images}
    return tuple(
        f"{what} were left out: {len(paths)}, such as {paths[0].name}."
        for what, paths in ignored.items()
        if paths
    )


def _content_note(files: list[_File]) -> tuple[str, ...]:
    """Return a note if files are images by their content, not by their suffix."""
    paths = [file.path for file in files if file.path.suffix.lower() not in image_suffixes()]
    if not paths:
        return ()
    return (f"Files that are images by their content: {len(paths)}, such as {paths[0].name}.",)


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
