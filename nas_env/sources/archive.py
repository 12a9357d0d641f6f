"""`archive`: a folder of images, or one file of another kind, in a zip or tar archive."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import digest
from nas_env.errors import InvalidDataError
from nas_env.files import replacing
from nas_env.sources._walking import is_system
from nas_env.sources.base import (
    SOURCES,
    Encoded,
    ReadOptions,
    Samples,
    Source,
    existing,
    no_such_file,
)
from nas_env.sources.storage import Storage

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class _Member(NamedTuple):
    name: str
    size: int  # bytes, unpacked
    kind: str  # "file", "folder", or a description of an invalid kind
    key: Any  # the archive's own object for the member


@SOURCES.register("archive")
class Archive(Source):
    """An archive, unpacked to the cache folder; members that lead outside it raise an error."""

    def recognises(self, data: Any) -> bool:
        """Return whether data are the path of a zip or tar file."""
        return isinstance(data, str | Path) and str(data).lower().endswith(SUFFIXES)

    def read(self, data: Any, options: ReadOptions) -> Samples:
        """Unpack the archive and read its content."""
        from nas_env.sources.reading import samples_of

        path = existing(data)
        if path is None:
            raise no_such_file(data)
        try:
            inside = _unpacked(path, options.storage)
        except (InvalidDataError, MemoryError):
            raise
        except Exception as error:  # damage shows as BadZipFile, TarError, zlib.error, ...
            raise InvalidDataError(
                f"{path}: not a readable archive ({error}). Pack it again as .zip or "
                ".tar.gz, without a password."
            ) from None
        with _named(inside, path):
            samples = samples_of(inside, options)

        def encode(train: NDArray[np.int64]) -> Encoded:
            with _named(inside, path):
                return samples.encode(train)

        return replace(
            samples,
            source=samples.source.replace(str(inside), str(path)),
            kind=f"{samples.kind} in an archive",
            encode=encode,
            where=lambda row: samples.where(row).replace(str(inside), str(path)),
        )


@contextmanager
def _named(inside: Path, path: Path) -> Iterator[None]:
    """Replace the folder of the unpacked files by the path of the archive in messages."""
    try:
        yield
    except InvalidDataError as error:
        raise InvalidDataError(str(error).replace(str(inside), str(path))) from None


def _unpacked(path: Path, storage: Storage) -> Path:
    """Return the folder or single file of an archive; unpack it unless it is already unpacked."""
    status = path.stat()
    name = digest([str(path.resolve()), status.st_size, status.st_mtime_ns])[:16]
    folder = storage.folder / f"archive-{name}"
    if not folder.is_dir():
        try:
            with replacing(folder) as part:
                _unpack(path, part, storage)
        except OSError:
            if not folder.is_dir():  # else another search has unpacked it in the meantime
                raise
    return _inside(folder)


def _unpack(path: Path, part: Path, storage: Storage) -> None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _extract(path, _zip_members(archive), archive.open, part, storage)
    else:
        with tarfile.open(path) as archive:
            _extract(path, _tar_members(archive), archive.extractfile, part, storage)


def _inside(folder: Path) -> Path:
    """Return the only file, or the first folder that has more than one entry."""
    entries = _visible(folder)
    if len(entries) != 1:
        return folder
    if entries[0].is_file():
        return entries[0]
    below = _visible(entries[0])
    one_class = len(below) > 1 and not any(x.is_dir() for x in below)
    return folder if one_class else _inside(entries[0])


def _visible(folder: Path) -> list[Path]:
    return [x for x in folder.iterdir() if not is_system(x.name)]


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")  # some programs on Windows write backslashes
        link = stat.S_ISLNK(info.external_attr >> 16)
        kind = "a link" if link else "folder" if name.endswith("/") else "file"
        yield _Member(name, info.file_size, kind, info)


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        kind = "file" if info.isfile() else "folder" if info.isdir() else "a link or device"
        yield _Member(info.name, info.size, kind, info)


def _extract(
    path: Path, members: Iterator[_Member], opened: Any, folder: Path, storage: Storage
) -> None:
    listed = list(members)
    for member in listed:
        _check_member(path, member)
    storage.check_disk(str(path), sum(member.size for member in listed))
    folder.mkdir(parents=True)
    for member in listed:
        target = folder / member.name
        if member.kind == "folder":
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        stream: IO[bytes]
        with opened(member.key) as stream, target.open("wb") as file:
            _copy(path, stream, file, member)


def _copy(path: Path, stream: IO[bytes], file: IO[bytes], member: _Member) -> None:
    """Copy one member; raise if it is larger than its declared size."""
    remaining = member.size
    while block := stream.read(1 << 20):
        remaining -= len(block)
        if remaining < 0:
            raise InvalidDataError(
                f"{path}: member {member.name!r} is larger than its declared size ({member.size} "
                "bytes). Pack the archive again."
            )
        file.write(block)


def _check_member(path: Path, member: _Member) -> None:
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    outside = ".." in parts or parts[:1] == ("/",) or PureWindowsPath(member.name).drive
    if outside or not (parts or member.kind == "folder"):
        raise InvalidDataError(
            f"{path}: member {member.name!r} would unpack outside its folder. Nothing was "
            "unpacked. Pack the archive with relative paths and without '..'."
        )
    if member.kind not in ("file", "folder"):
        raise InvalidDataError(
            f"{path}: member {member.name!r} is {member.kind}, which may lead outside its folder. "
            "Nothing was unpacked. Pack the files themselves."
        )
