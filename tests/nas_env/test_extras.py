"""Optional packages: extras are those of pyproject.toml, and no import of one is unguarded."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from nas_env import extras
from nas_env.errors import MissingDependencyError
from nas_env.extras import DISTRIBUTIONS, EXTRAS, command, require, sentence
from nas_env_cli.main import COMMANDS
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
BASE = {"gymnasium", "numpy", "sqlalchemy", "torch"}
OWN = {"nas_env", "nas_env_agents", "nas_env_cli"}
UNLISTED = {"torchvision"}  # comes with no extra: it must fit the build of torch
LIBRARY, AGENTS = ROOT / "nas_env", ROOT / "agents/nas_env_agents"
CLI = ROOT / "scripts/nas_env_cli"
TEXTS = [
    path
    for folder in ("nas_env", "agents", "scripts", "docs", ".")
    for path in ((ROOT / folder).glob("*") if folder == "." else (ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".md", ".toml", ".yml") or path.name == "Makefile"
]


def distribution(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0]  # type: ignore[index]


def test_the_base_needs_four_packages() -> None:
    assert {distribution(x) for x in PROJECT["dependencies"]} == BASE


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_has_the_packages_of_pyproject(extra: str) -> None:
    named = {distribution(x) for x in OPTIONAL[extra]} - BASE - {"nas-env"}
    assert {DISTRIBUTIONS.get(x, x) for x in EXTRAS[extra]} == named


def test_all_has_every_extra_of_users() -> None:
    assert OPTIONAL["all"] == [f"nas-env[{','.join(sorted(EXTRAS))}]"]
    assert set(OPTIONAL) == {*EXTRAS, "all", "dev"}
    assert {x.extra for x in COMMANDS.values()} - {None} <= set(EXTRAS)


def test_every_extra_that_a_text_names_exists() -> None:
    found = 0
    for path in TEXTS:
        if path.name == "CHANGELOG.md":
            continue
        for names in re.findall(r"(?:nas-env|['\"]\.)\[([a-z,-]+)\]", path.read_text("utf-8")):
            found += 1
            assert set(names.split(",")) <= set(OPTIONAL), f"{path}: [{names}]"
    assert found > 10


def test_what_is_missing_is_named_as_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    require("Pages need", "agents", "matplotlib")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    message = (
        "Tables need pandas and scikit-learn, which are not installed. "
        'Run: pip install "nas-env[data]".'
    )
    with pytest.raises(MissingDependencyError, match=re.escape(message)):
        require("Tables need", "data")
    assert command("agents", "ray") == 'pip install "nas-env[agents,ray]"'
    assert sentence("It needs", ["a", "b", "c"]).endswith("Run: pip install a b c.")


@pytest.mark.parametrize("name", [x for x, command in COMMANDS.items() if command.extra])
def test_a_command_names_the_extra_that_it_needs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nas_env_cli.main import main

    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    assert main([name, "--help"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: nas-env {name} needs ")
    assert said.endswith(f'Run: pip install "nas-env[{COMMANDS[name].extra}]".\n')


def parents(tree: ast.Module) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def optional_imports(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield imports of packages that are neither this project's nor the base's."""
    known = set(sys.stdlib_module_names) | BASE | OWN
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from ((node, top) for name in names if (top := name.split(".")[0]) not in known)


def ancestors(node: ast.AST, above: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while (node := above.get(node)) is not None:  # type: ignore[assignment]
        yield node


def only_for_types(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    return any(
        isinstance(x, ast.If) and "TYPE_CHECKING" in ast.unparse(x.test)
        for x in ancestors(node, above)
    )


def caught(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Return whether an import stands in a `try` that catches its error."""
    handlers = [y for x in ancestors(node, above) if isinstance(x, ast.Try) for y in x.handlers]
    return any("ImportError" in ast.unparse(x.type) for x in handlers if x.type is not None)


GUARDS = ("require", "missing", "self._has")


@cache
def guarded(folder: Path) -> set[str]:
    """Return the packages that the modules of a folder look for before they are imported."""
    found: set[str] = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in GUARDS:
                words = {x.value for x in ast.walk(node) if isinstance(x, ast.Constant)}
                named = {str(x) for x in words}
                found |= named
                extra = [str(x.value) for x in node.args[1:2] if isinstance(x, ast.Constant)]
                if len(node.args) == 2 and extra and extra[0] in EXTRAS:
                    found |= set(EXTRAS[extra[0]])
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "EXTRAS":
                extra = [str(x.value) for x in [node.slice] if isinstance(x, ast.Constant)]
                found |= {package for x in extra for package in EXTRAS[x]}
    return found


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda x: x.stem)
def test_an_optional_import_of_the_library_is_guarded(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    above = parents(tree)
    for node, package in optional_imports(tree):
        if only_for_types(node, above) or caught(node, above):
            continue
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        assert node not in tree.body, f"{where}: import {package} where it is used"
        assert package in guarded(path.parent), f"{where}: call require(..., {package!r}) before"


def test_what_agents_import_is_guarded_by_their_package() -> None:
    for path in AGENTS.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for _, package in optional_imports(tree):
            assert package in guarded(AGENTS), f"{path}: add {package!r} to the package's require"


def test_what_commands_import_is_in_the_extra_that_they_need() -> None:
    benchmark = [CLI / "benchmark"]
    benchmark += [CLI / f"commands/{x}.py" for x, y in COMMANDS.items() if y.extra == "benchmark"]
    for path in CLI.rglob("*.py"):
        more = any(path.is_relative_to(x) for x in benchmark)
        allowed = {*EXTRAS["agents"], *(EXTRAS["benchmark"] if more else ())}
        tree = ast.parse(path.read_text("utf-8"))
        own = {x for x in guarded(path.parent) if f'missing(("{x}",))' in path.read_text("utf-8")}
        for node, package in optional_imports(tree):
            ok = package in allowed | own or only_for_types(node, parents(tree))
            assert ok, f"{path.relative_to(ROOT)}:{node.lineno}: {package}"


def test_commands_without_an_extra_import_none() -> None:
    names = [x.replace("-", "_") for x, command in COMMANDS.items() if command.extra is None]
    paths = [CLI / "main.py", *(CLI / f"commands/{name}.py" for name in names)]
    paths += [*(CLI / "catalogue").glob("*.py")]
    for path in paths:
        assert not list(optional_imports(ast.parse(path.read_text("utf-8")))), path


def test_unlisted_packages_are_not_in_an_extra() -> None:
    assert not UNLISTED & {package for packages in EXTRAS.values() for package in packages}
