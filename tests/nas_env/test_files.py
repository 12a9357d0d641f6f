"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_env.files import UNFINISHED, replacing, unfinished, write_atomically


@pytest.mark.parametrize("content", ["één\r\nline\n", b"\x00\xff"])
def test_content_is_written_as_it_is_and_nothing_else_is_left(
    tmp_path: Path, content: str | bytes
) -> None:
    path = tmp_path / "a.txt"
    for written in ("old", content):
        write_atomically(path, written)
    expected = content.encode() if isinstance(content, str) else content
    assert path.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_content_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as part:
        part.write_text("half")
        assert path.read_text() == "old"
        assert part.suffix == UNFINISHED
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_and_the_slower_of_two_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with replacing(path) as part:
        part.mkdir()
        (part / "a").write_text("first")
    with pytest.raises(OSError, match="not empty"), replacing(path) as part:
        part.mkdir()
        (part / "a").write_text("second")
    assert (path / "a").read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_share_a_part(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert unfinished(path) != unfinished(path)
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
