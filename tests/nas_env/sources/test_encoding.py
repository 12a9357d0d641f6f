"""The functions that encode a sample stand once: the search and exported files share them."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from nas_env.architecture import Architecture, Layer
from nas_env.export import write_source
from nas_env.sources import encoding, image_encoding
from nas_env.tasks import TaskSpec

MODULES = (encoding, image_encoding)
FUNCTIONS = [x for module in MODULES for _, x in inspect.getmembers(module, inspect.isfunction)]
TABLE = {
    "step": "columns",
    "columns": [{"name": "age", "kind": "numeric", "fill": 0.0, "mean": 1.0, "sd": 2.0}],
}
IMAGE = {"step": "image", "channels": 1, "size": [4, 5]}


def written(step: dict[str, Any]) -> str:
    shape = (1, 4, 5) if step is IMAGE else (1,)
    layer = Layer.of("conv", channels=2, kernel=3) if step is IMAGE else Layer.of("linear", units=2)
    spec = TaskSpec("probe", 1, "image" if step is IMAGE else "vector", shape, 2)
    return write_source(Architecture((layer,)), spec, [step]).text


@pytest.mark.parametrize("function", FUNCTIONS)
def test_exported_files_hold_each_function_as_it_stands(function: Any) -> None:
    text = written(IMAGE if function.__module__ == image_encoding.__name__ else TABLE)
    assert inspect.getsource(function) in f"{text}\n"


@pytest.mark.parametrize("file", [str(module.__file__) for module in MODULES])
def test_the_module_needs_the_standard_library_and_pillow_alone(file: str) -> None:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    names = {
        module.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [x.name for x in node.names]
        )
    }
    assert names <= {*sys.stdlib_module_names, "PIL"}


@pytest.mark.parametrize(
    ("value", "known", "missing"),
    [
        (" NA ", [], True),
        ("NA", ["NA", "EU"], False),
        ("EU", [], False),
        (None, [], True),
        (float("nan"), [], True),
        (0, [], False),
    ],
)
def test_what_is_missing(value: Any, known: list[str], missing: bool) -> None:
    assert encoding.is_missing(value, known) is missing


@pytest.mark.parametrize(("value", "number"), [("8.16", 8.16), ("False", 0.0), (True, 1.0)])
def test_what_is_a_number(value: Any, number: float) -> None:
    assert encoding.number(value) == number
