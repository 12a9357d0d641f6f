"""The folder `tests` is one package that mirrors the repository; no test module shadows another."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.paths import ROOT

TESTS = ROOT / "tests"
NO_PACKAGE = TESTS / "support" / "plugin_examples"  # files that are copied elsewhere
MODULES = sorted(
    path for path in TESTS.rglob("*.py") if NO_PACKAGE not in path.parents and path.is_file()
)
# Folders of tests whose code is not in the folder of the same name.
SOURCES = {
    "nas_env_agents": "agents/nas_env_agents",
    "nas_env_cli": "scripts/nas_env_cli",
    "packaging": "pyproject.toml",
}
FOLDERS = sorted({path.parent.relative_to(TESTS) for path in MODULES} - {Path(".")})


def dotted(path: Path) -> str:
    """Return the name under which pytest has to import a file of the tests."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_folder_with_tests_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_modules_are_imported_by_their_full_names() -> None:
    names = {str(path): dotted(path) for path in MODULES}
    wrong = {
        name: module.__file__
        for name, module in list(sys.modules.items())
        if names.get(getattr(module, "__file__", None) or "", name) != name
    }
    assert dotted(Path(__file__)) == __name__
    assert not wrong


def test_nothing_below_tests_is_a_place_to_import_from() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    assert "pythonpath" not in settings["ini_options"]
    places = [Path(place).resolve() for place in sys.path if place]
    assert not [str(place) for place in places if place == TESTS or TESTS in place.parents]


def test_the_package_shadows_no_module_of_python_or_of_the_repository() -> None:
    others = {path.stem for path in (*ROOT.glob("*.py"), *(ROOT / "scripts").glob("*.py"))}
    assert "tests" not in {*sys.stdlib_module_names, *others}


def test_no_module_has_the_name_of_a_package_beside_it() -> None:
    clashing = [str(path) for path in MODULES if path.with_suffix("").is_dir()]
    assert not clashing


def imported(path: Path) -> set[str]:
    """Return the modules of `tests` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "tests"}


def test_what_several_folders_share_is_in_support() -> None:
    known = {dotted(path): path for path in MODULES}
    elsewhere = defaultdict(set)
    for path in MODULES:
        for name in imported(path):
            helper = known.get(name)
            shared = helper is None or helper.name == "conftest.py"
            if not shared and helper.parent not in (path.parent, TESTS / "support"):
                elsewhere[name].add(str(path.relative_to(TESTS)))
    assert not dict(elsewhere), "move these helpers to tests/support"


@pytest.mark.parametrize("folder", [x for x in FOLDERS if x.parts[0] != "support"], ids=str)
def test_tests_mirror_the_packages(folder: Path) -> None:
    first, *rest = folder.parts
    source = ROOT.joinpath(SOURCES.get(first, first), *rest)
    assert source.exists() or source.with_suffix(".py").is_file()
