"""Atomic writes of files and folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

UNFINISHED = ".part"  # suffix of a file that is still being written


def unfinished(path: Path) -> Path:
    """Return a new temporary path in the same folder, for the future content of `path`."""
    return path.with_name(f"{path.name}.{uuid4().hex}{UNFINISHED}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces `path` when the block ends without an error.

    Readers of `path` see either the old or the complete new content. After an error, the old
    content remains. A killed process leaves a file whose name ends in `UNFINISHED`.

    Args:
        path: A file, or a folder that does not exist yet.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(Path(folder, "a.txt")) as part:
        ...         written = part.write_text("all of it")
        ...     [x.name for x in Path(folder).iterdir()]
        ['a.txt']
    """
    part = unfinished(path)
    try:
        yield part
        part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes to a file atomically."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
