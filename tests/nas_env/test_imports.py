"""The shape of the package: one-way imports, nothing heavy at import, short files and functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nas_env

ROOT = Path(nas_env.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# From the bottom up; a module may import what stands before it, and its own package.
ORDER = (
    "errors",
    "registry",
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
    "export",
    "tables",
    "surrogates",
    "evaluators",
    "drawing",
    "rendering",
    "observations",
    "mdp",
    "lanes",
    "factories",
    "wrappers",
    "reward_wrappers",
    "env",
    "vector",
    "table_env",
    "surrogate_env",
    "registration",
)
# Who imports upwards, and why.
DOORS = {("architecture", "skeletons"): "Architecture.scaled asks the skeletons when it is called"}
LONG_FUNCTIONS = {}


def name(path: Path) -> str:
    return path.relative_to(ROOT.parent).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names a module imports when it runs, wherever the import stands."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            if node.module == "nas_env":
                yield from (f"nas_env.{alias.name}" for alias in node.names)
            else:
                yield str(node.module)
        yield from imported(node)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_run_downwards_only(path: Path) -> None:
    unit = path.relative_to(ROOT).with_suffix("").parts[0]
    names = list(imported(ast.parse(path.read_text())))
    assert not [
        x for x in names if x.split(".")[0] in ("nas_env_agents", "nas_env_cli", "scripts", "tests")
    ]
    if unit in ("__init__", "__main__", "data"):
        return
    assert unit in ORDER, f"give {unit!r} its place in ORDER"
    own = [x.split(".")[1] for x in names if x.startswith("nas_env.")]
    upward = [x for x in own if x != unit and ORDER.index(x) >= ORDER.index(unit)]
    upward = [x for x in upward if (unit, x) not in DOORS]
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
