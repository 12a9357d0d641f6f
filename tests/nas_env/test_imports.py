"""The shape of the packages: one-way imports, no cycles, light imports, short files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import nas_env
import nas_env_agents
import nas_env_cli

ROOT = Path(nas_env.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# From the bottom up: a module may import the modules before it, and its own package.
ORDER = (
    "errors",
    "extras",
    "plugins",
    "registry",
    "registration",
    "files",
    "markup",
    "architecture",
    "evaluation",
    "pareto",
    "graph_module",
    "layers",
    "skeletons",
    "spaces",
    "sources",
    "tasks",
    "objectives",
    "store",
    "network",
    "portfolio",
    "export",
    "tables",
    "surrogates",
    "evaluators",
    "drawing",
    "rendering",
    "states",
    "observations",
    "mdp",
    "lanes",
    "factories",
    "wrappers",
    "reward_wrappers",
    "env",
    "vector",
    "known_env",
)
LONG_FUNCTIONS = {}


def name(path: Path) -> str:
    return path.relative_to(ROOT.parent).as_posix()


def modules() -> dict[str, Path]:
    """Return the files of all three packages by dotted name."""
    found = {}
    for package in (nas_env, nas_env_agents, nas_env_cli):
        folder = Path(str(package.__file__)).parent
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(source: str, known: Collection[str] = MODULES) -> Iterator[str]:
    """Yield the dotted names of all imports: in functions and for type checking, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full: relative ones are not followed"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in known else str(node.module)


def cycle(sources: Mapping[str, str]) -> list[str]:
    """Return the modules of one import cycle, or an empty list where there is none."""
    graph = {
        name: {x for x in imported(source, sources) if x in sources}
        for name, source in sources.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_through_others() -> None:
    assert {"nas_env.env", "nas_env_agents.ppo", "nas_env_cli.main"} <= set(MODULES)
    assert not cycle({name: path.read_text() for name, path in MODULES.items()})


@pytest.mark.parametrize(
    "back",
    [
        "import p.a",
        "from p import a",
        "from p.a import x",
        "def f():\n    from p.a import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import x",
    ],
)
def test_every_kind_of_import_can_close_a_cycle(back: str) -> None:
    sources = {"p": "from p.a import x", "p.a": "from p.b import y", "p.b": "from q import z"}
    assert not cycle({**sources, "q": "import os"})
    assert set(cycle({**sources, "q": back})) == {"p.a", "p.b", "q"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_run_downwards_only(path: Path) -> None:
    unit = path.relative_to(ROOT).with_suffix("").parts[0]
    names = list(imported(path.read_text()))
    assert not [
        x for x in names if x.split(".")[0] in ("nas_env_agents", "nas_env_cli", "scripts", "tests")
    ]
    if unit in ("__init__", "__main__", "data"):
        return
    assert unit in ORDER, f"give {unit!r} its place in ORDER"
    own = [x.split(".")[1] for x in names if x.startswith("nas_env.")]
    upward = [x for x in own if x != unit and ORDER.index(x) >= ORDER.index(unit)]
    assert not upward, f"{unit} imports {upward}, which stand above it"


def test_the_order_names_only_what_exists_or_is_planned() -> None:
    units = {path.relative_to(ROOT).with_suffix("").parts[0] for path in FILES}
    assert set(ORDER) - units <= set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, nas_env, gymnasium;"
        "assert 'NAS-v0' in gymnasium.registry;"
        "heavy = ('torch', 'sqlalchemy', 'matplotlib', 'sklearn', 'pandas', 'PIL', 'datasets');"
        "print([m for m in heavy if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_synthetic_environment_needs_no_torch() -> None:
    code = (
        "import sys, gymnasium as gym, nas_env\n"
        "env = gym.make('NAS-v0', evaluator='synthetic')\n"
        "_, info = env.reset(seed=0)\n"
        "over = False\n"
        "while not over:\n"
        "    _, reward, over, _, info = env.step(int(info['action_mask'].nonzero()[0][-1]))\n"
        "print(reward > 0, 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_are_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 400
    assert all(len(line) <= 100 for line in lines)


def long_functions(path: Path) -> Iterator[str]:
    """Yield functions of more than 40 lines, the docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = int(node.end_lineno or 0) - node.lineno + 1
        if ast.get_docstring(node) is not None:
            lines -= int(node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        if lines > 40:
            yield f"{name(path)}:{node.name}"


def test_functions_are_short_or_excused() -> None:
    found = {x for path in FILES for x in long_functions(path)}
    assert found <= set(LONG_FUNCTIONS), "give a reason in LONG_FUNCTIONS or split the function"
    assert set(LONG_FUNCTIONS) <= found, "a reason is no longer needed"
