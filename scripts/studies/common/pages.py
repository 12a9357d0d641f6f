"""Pages of the documentation that studies write."""

from __future__ import annotations

from pathlib import Path

from nas_env.files import write_atomically


def save_page(path: Path, text: str) -> None:
    """Write a page, and print its path."""
    write_atomically(path, text)
    print(f"Written: {path}")
