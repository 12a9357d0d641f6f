"""The command `nas-env` itself, and `list` and `describe`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nas_env import __version__
from nas_env_cli.catalogue import KINDS
from nas_env_cli.commands import describe
from nas_env_cli.main import COMMANDS, main
from tests.support.paths import NAS_ENV, ROOT

Captured = pytest.CaptureFixture[str]


def test_help_lists_every_command(capsys: Captured) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name} " in shown and command.help in shown
        module = ROOT / "scripts/nas_env_cli/commands" / f"{name.replace('-', '_')}.py"
        assert module.is_file()


@pytest.mark.parametrize("words", [["--help"], ["list", "--help"], ["describe", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
from nas_env_cli.main import main
try:
    main({words})
except SystemExit as end:
    assert end.code == 0
heavy = {{"torch", "sqlalchemy", "stable_baselines3", "matplotlib", "pandas"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_package_is_the_command_too() -> None:
    texts = [
        subprocess.run([*words, "--version"], capture_output=True, text=True, check=True).stdout
        for words in (NAS_ENV, (sys.executable, "-m", "nas_env"))
    ]
    assert texts == [f"nas-env {__version__}\n"] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serch"], "Unknown command 'serch'. Did you mean 'search'?"),
        (["list", "spaecs"], "Unknown kind 'spaecs'. Did you mean 'spaces'?"),
        (["describe", "chian"], "Nothing is named 'chian'. Did you mean 'chain' (search space)"),
        (["describe", "nasbench201-V0"], "Did you mean 'NASBench201-v0' (environment)"),
    ],
)
def test_near_matches_of_a_wrong_name(words: list[str], message: str, capsys: Captured) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("plural", KINDS)
def test_list_has_one_line_for_each_name(plural: str, capsys: Captured) -> None:
    kind = KINDS[plural]
    assert main(["list", plural]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == kind.names()
    for line in lines:
        name, _, about = line.strip().partition(" ")
        assert len(about.strip()) > 10 and about.strip().endswith((".", "]")), name
        assert about.strip()[0].isupper() or about.strip()[0].isdigit(), name
    assert len({line.split(maxsplit=1)[1] for line in lines}) == len(lines), "two say the same"


def test_list_without_a_kind_shows_all(capsys: Captured) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for plural, kind in KINDS.items():
        assert f"{plural}\n" in shown
        assert all(f"  {name} " in shown for name in kind.names())


WANTED = {
    "spaces": {"Decisions", "Observation", "Reward", "Episode end", "Size", "Data", "Example"},
    "environments": {"Decisions", "Observation", "Reward", "Episode end", "Size", "Reference"},
    "agents": {"Observation", "Example"},
    "objectives": {"Bounds", "Example"},
    "evaluators": {"Settings", "Example"},
    "tasks": {"Example"},
}


@pytest.mark.parametrize(("plural", "name"), [(x, y) for x, k in KINDS.items() for y in k.names()])
def test_describe_shows_the_page_of_every_name(plural: str, name: str, capsys: Captured) -> None:
    text = describe.shown(KINDS[plural], name)
    assert text.startswith(f"{name} ({KINDS[plural].name})\n")
    headings = {line.split("  ")[0] for line in text.splitlines() if line[:1].strip()}
    assert WANTED[plural] <= headings
    assert max(map(len, text.splitlines())) <= 2 * describe.COLUMNS
    assert " at 0x" not in text and "functools" not in text


def test_a_page_has_the_numbers_of_the_thing(capsys: Captured) -> None:
    assert main(["describe", "NASBench201-v0"]) == 0
    shown = capsys.readouterr().out
    assert "Discrete(5)" in shown and "15,625 walks" in shown
    assert "'val_12'" in shown and "'test_200'" in shown
    assert "nas-env search --env NASBench201-v0" in shown and "Dong and Yang" in shown


def test_a_name_of_two_kinds_shows_both(capsys: Captured) -> None:
    assert main(["describe", "nasbench201"]) == 0
    assert main(["describe", "block-qnn"]) == 0
    shown = capsys.readouterr()
    assert "block-qnn (search space)" in shown.out and "block-qnn (objective)" in shown.out
    assert "2 entries are named 'block-qnn': search space, objective." in shown.err
