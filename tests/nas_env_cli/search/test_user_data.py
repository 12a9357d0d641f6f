"""Options about the user's data: they reach the reader, and later commands read alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_env.errors import InvalidDataError, InvalidSettingError
from nas_env_cli.search.command_line import parse
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.saved_options import to_json
from nas_env_cli.search.user_data import read_task_again, read_user_data
from tests.support.made_data import image_folder


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return a folder of images of which one is empty and one is cut off."""
    root = image_folder(tmp_path / "images")
    (root / "cat" / "3.png").write_bytes(b"")
    (root / "owl" / "7.png").write_bytes((root / "owl" / "7.png").read_bytes()[:60])
    return root


def test_bad_files_are_named_or_left_out_and_listed(damaged: Path) -> None:
    with pytest.raises(InvalidDataError, match=r"2 images .*cat/3.png .*owl/7.png .*--skip-bad-"):
        read_user_data(parse(["--data", str(damaged)]))
    read = read_user_data(parse(["--data", str(damaged), "--skip-bad-files"]))
    assert read is not None
    assert "  Images that cannot be read were left out: 2: cat/3.png, owl/7.png." in read.text
    assert sum(read.task.spec.sizes) == 28


def test_later_commands_leave_out_the_same_files(damaged: Path) -> None:
    options = parse(["--data", str(damaged), "--skip-bad-files"])
    read, saved = read_user_data(options), to_json(options)
    assert saved["skip_bad_files"] is True
    again = read_task_again({**saved, "metric": "accuracy"})
    assert read is not None and again is not None
    assert again.data_hash == read.task.data_hash


def test_runs_of_earlier_versions_go_on(tmp_path: Path) -> None:
    image_folder(tmp_path / "images")
    options = to_json(parse(["--data", str(tmp_path / "images"), "--seed", "3"]))
    earlier = {name: x for name, x in options.items() if name != "skip_bad_files"}
    assert read_task_again(earlier) is not None
    RunFolder(tmp_path / "run", earlier, resume=False)
    RunFolder(tmp_path / "run", options, resume=True)
    with pytest.raises(InvalidSettingError, match="begun with skip_bad_files=False, not True"):
        RunFolder(tmp_path / "run", {**options, "skip_bad_files": True}, resume=True)


def test_the_option_needs_data() -> None:
    with pytest.raises(InvalidSettingError, match="--skip-bad-files is about --data"):
        read_user_data(parse(["--skip-bad-files"]))
