"""The options of a search: groups, defaults, what --resume takes over, and what --help loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nas_env.errors import InvalidSettingError
from nas_env_cli.search.command_line import parse
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.plan import agent_of
from nas_env_cli.search.saved_options import read_options, to_json
from nas_env_cli.search.user_data import read_user_data, reading_options

HELP = """
import sys
from nas_env_cli.main import main
try:
    code = main(["search", "--help"])
except SystemExit as end:
    code = end.code
print("code", code, "torch" in sys.modules)
"""
GROUPS = ("data", "search", "limits", "training", "output")


def test_the_help_has_five_groups_and_loads_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout.splitlines()[-1] == "code 0 False"
    for group in GROUPS:
        assert f" {group} options " in done.stdout, group
    assert done.stdout.count("Example: nas-env search --") == len(GROUPS)


@pytest.mark.parametrize(
    ("options", "agent"),
    [
        ({}, "imagination"),
        ({"workers": 2}, "async-imagination"),
        ({"env": "NASBench201-v0"}, "imagination"),
        ({"env_option": ("mdp=edit",)}, "maskable-ppo"),
        ({"agent": "dqn"}, "dqn"),
        ({"data": "mine.csv"}, "imagination"),
        ({"data": "mine.csv", "agent": "dqn"}, "dqn"),
        ({"data": "mine.csv", "workers": 1}, "imagination"),
        ({"data": "mine.csv", "workers": 2}, "async-imagination"),
        ({"data": "mine.csv", "env": "NASEdit-v0"}, "maskable-ppo"),
        ({"data": "mine.npz", "task": "own-data"}, "imagination"),
    ],
)
def test_the_default_agent_suits_the_other_options(options: dict[str, object], agent: str) -> None:
    assert agent_of(SearchOptions.of(**options)).name == agent


@pytest.mark.parametrize(
    "words",
    [
        ["--agent-option", "replay=5", "bins=true"],
        ["--agent-option", "replay=5", "--agent-option", "bins=True"],
        ["--agent_option", "replay=4", "--agent-option=replay=5", "bins=true"],
    ],
)
def test_settings_may_follow_one_flag_or_several(words: list[str]) -> None:
    agent = agent_of(parse(["--agent", "q-learning", *words, "--seed", "1"]))
    assert agent.settings == {"replay": 5, "bins": True}


def test_what_is_left_out_on_resume_is_as_it_was_begun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--data", "mine.csv", "--latency", "--max-latency-ms", "2.5"]
    words += ["--evaluations", "8", "--seed", "3", "--agent-option", "replay=5"]
    begun = parse([*words, "--output", str(run), "--data-cache", str(tmp_path)])
    RunFolder(run, to_json(begun), resume=False)
    again = parse(["--output", str(run), "--resume", "--workers", "2"])
    assert to_json(again) == to_json(begun)
    assert again.output.resume and again.training.workers == 2
    assert again.data.data_cache is None
    RunFolder(run, to_json(again), resume=True)
    said = parse([*words, "--output", str(run), "--resume"])  # as the program says after Ctrl-C
    assert to_json(said) == to_json(begun)
    other = parse(["--output", str(run), "--resume", "--evaluations", "9"])
    assert (other.limits.evaluations, other.search.seed) == (9, 3)
    with pytest.raises(InvalidSettingError, match=r"begun with evaluations=8, not 9\..*--store "):
        RunFolder(run, to_json(other), resume=True)
    fresh = parse(["--output", str(run)])
    assert fresh == SearchOptions.of(output=run), "without --resume nothing is taken from there"


def test_a_store_whose_password_is_not_kept_is_given_again(tmp_path: Path) -> None:
    store = "postgresql://me:secret@host/name"
    begun = parse(["--store", store, "--output", str(tmp_path)])
    RunFolder(tmp_path, to_json(begun), resume=False)
    assert "secret" not in (tmp_path / "options.json").read_text()
    without = parse(["--output", str(tmp_path), "--resume"])
    assert without.output.store is None
    with pytest.raises(InvalidSettingError, match="Give --store again: its password is not kept"):
        RunFolder(tmp_path, to_json(without), resume=True)
    again = parse(["--output", str(tmp_path), "--resume", "--store", store])
    assert to_json(again) == to_json(begun)


def test_kinds_of_columns_and_missing_words_are_kept_for_later_commands(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--data", "mine.csv", "--column", "a=b=number", "zip=category", "--missing=-999"]
    begun = parse([*words, "--missing", "?", "--no-default-missing", "--output", str(run)])
    RunFolder(run, to_json(begun), resume=False)
    again = parse(["--output", str(run), "--resume"])
    assert to_json(again) == to_json(begun)
    reading = reading_options(read_options(run))
    assert reading.columns == {"a=b": "number", "zip": "category"}
    assert (reading.missing, reading.default_missing) == (("-999", "?"), False)
    other = parse(["--output", str(run), "--resume", "--column", "zip=number"])
    with pytest.raises(InvalidSettingError, match="was begun with column="):
        RunFolder(run, to_json(other), resume=True)


def test_a_run_of_an_earlier_version_lacks_these_options_and_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    saved = to_json(parse(["--data", "mine.csv", "--output", str(run)]))
    for name in ("column", "missing", "no_default_missing"):
        del saved[name]
    RunFolder(run, saved, resume=False)
    RunFolder(run, to_json(parse(["--output", str(run), "--resume"])), resume=True)
    assert reading_options(read_options(run)).default_missing


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--data", "mine.csv", "--column", "zip"],
            r"--column 'zip' is not NAME=KIND\. Write --col",
        ),
        (["--column", "zip=number"], "--column is about --data. Give --data"),
        (["--missing", "?"], "--missing is about --data. Give --data"),
        (["--no-default-missing"], "--no-default-missing is about --data. Give --data"),
    ],
)
def test_options_of_columns_that_are_wrong_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        read_user_data(parse(words))
