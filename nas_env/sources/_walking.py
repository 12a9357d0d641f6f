"""Lists folders of the user's data: without what systems and tools leave there, with links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nas_env.errors import InvalidDataError

SYSTEM = frozenset(  # names in lower case, of folders and files; names with a leading dot are too
    (
        *("__macosx", "network trash folder", "temporary items", "icon\r"),  # macOS
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"),  # Windows
        *("system volume information", "found.000"),
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@recycle", "@recently-snapshot"),  # storage
        *("lost+found", "lost.dir", "__pycache__"),
    )
)
SHOWN = 20  # paths in a note


def is_system(name: str) -> bool:
    """Return whether a file or folder is hidden, or left by a system or tool, by its name.

    Example:
        >>> is_system(".ipynb_checkpoints"), is_system("$RECYCLE.BIN"), is_system("cat")
        (True, True, False)
    """
    return name.startswith((".", "~$")) or name.lower() in SYSTEM


@dataclass
class Walk:
    """Files below folders; folders that links lead to are followed, each folder once per class.

    Attributes:
        system: Hidden and system folders and files that were left out.
        broken: Links to nothing.
        again: Links to folders that are read already.
        followed: Links to folders that were followed.
    """

    system: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    again: list[Path] = field(default_factory=list)
    followed: list[Path] = field(default_factory=list)

    def subfolders(self, folder: Path) -> list[Path]:
        """Return the folders directly in a folder, sorted."""
        return [path for path in self._entries(folder) if path.is_dir()]

    def beside(self, folder: Path) -> list[Path]:
        """Return the files directly in a folder, sorted."""
        return [path for path in self._entries(folder) if path.is_file()]

    def files(self, folder: Path) -> list[Path]:
        """Return all files below a folder, sorted."""
        files: list[Path] = []
        seen: set[Path] = set()
        links = [folder]
        while links:  # links are followed after the folders themselves
            start = links.pop(0)
            if start.resolve() in seen:
                self.again.append(start)
                continue
            if start is not folder:
                self.followed.append(start)
            self._below(start, seen, files, links)
        return sorted(files)

    def notes(self) -> tuple[str, ...]:
        """Return what was left out and followed, one sentence each."""
        listed = {
            "Hidden and system files and folders were left out": self.system,
            "Links that lead to nothing were left out": self.broken,
            "Links to folders that are read already were left out": self.again,
            "Links to folders were followed": self.followed,
        }
        return tuple(
            f"{what}: {_listing(list(dict.fromkeys(paths)))}."
            for what, paths in listed.items()
            if paths
        )

    def _below(self, folder: Path, seen: set[Path], files: list[Path], links: list[Path]) -> None:
        folders = [folder]
        while folders:
            here = folders.pop()
            seen.add(here.resolve())
            for path in self._entries(here):
                if not path.is_dir():
                    files.append(path)
                elif path.is_symlink() or path.resolve() in seen:
                    links.append(path)
                else:
                    folders.append(path)

    def _entries(self, folder: Path) -> Iterator[Path]:
        """Yield files and folders directly in a folder, sorted; remember what is left out."""
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            raise InvalidDataError(
                f"{folder}: the folder cannot be read ({error.strerror}). Give the right to read "
                "it, or remove it."
            ) from None
        for path in entries:
            if is_system(path.name):
                self.system.append(path)
            elif not path.exists():
                self.broken.append(path)
            elif path.is_symlink() and folder.resolve().is_relative_to(path.resolve()):
                self.again.append(path)  # it would lead around for ever
            elif path.is_dir() or path.is_file():
                yield path


def _listing(paths: list[Path]) -> str:
    names = [f"{path.parent.name}/{path.name}" for path in paths]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)}: {', '.join(names[:SHOWN])}{more}"
