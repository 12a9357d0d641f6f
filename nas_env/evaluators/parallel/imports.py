"""Imports of a worker process before it evaluates: modules that register components."""

from __future__ import annotations

import importlib
import multiprocessing.spawn
import os
import runpy
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nas_env.errors import InvalidSettingError
from nas_env.layers import LAYERS
from nas_env.registry import Registry
from nas_env.spaces import SPACES
from nas_env.tasks import TASKS

MAIN = "__main__"
REGISTRIES: tuple[Registry[Any], ...] = (LAYERS, SPACES, TASKS)
LATE = (  # imported by the first training; preloaded by the server that forks workers
    "torch",
    "torch._dynamo",
    "nas_env.tasks._loop",
    "nas_env.evaluators.training",
    "nas_env.evaluators._inheritance",
    "nas_env.evaluators.parallel.worker",
    "nas_env.graph_module",
)
_starting = threading.Lock()


@dataclass(frozen=True)
class Imports:
    """The imports of a worker.

    Attributes:
        modules: Names of the modules that register components.
        late: Names of the modules that the first evaluation would import otherwise.
        main_name: Name of the main module, if it is needed and was run as a module.
        main_path: Path of the main module, if it is needed and was run as a file.
    """

    modules: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    main_name: str | None = None
    main_path: str | None = None

    def load(self) -> None:
        """Import the modules."""
        if self.main_name or self.main_path:
            _load_main(self.main_name, str(self.main_path))
        for name in (*self.modules, *self.late):
            importlib.import_module(name)


def needed(pickled: bytes) -> Imports:
    """Return the imports that a worker needs for a pickled evaluator.

    The main module is imported only if the evaluator needs it. Therefore a script without
    `if __name__ == "__main__":` can use workers if it defines nothing that they need.

    Raises:
        InvalidSettingError: The evaluator needs a definition of an interactive session.
    """
    names = {name for registry in REGISTRIES for name in registry.modules()}
    modules = tuple(sorted(x for x in names if x != MAIN and not x.startswith("nas_env.")))
    late = LATE if "torch" in sys.modules else ()  # otherwise nothing here trains
    if MAIN not in names and MAIN.encode() not in pickled:
        return Imports(modules, late)
    main = sys.modules[MAIN]
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return Imports(modules, late, main_name=spec.name)
    if path is not None and os.path.isfile(path):
        return Imports(modules, late, main_path=os.path.abspath(path))
    raise InvalidSettingError(
        "Worker processes cannot import a layer or evaluator that is defined in an interactive "
        "session. Define it in a module, or use workers=None."
    )


def _load_main(name: str | None, path: str) -> None:
    """Run the main module under another name, as `multiprocessing` does."""
    alias = "__mp_main__"
    if name:
        content = runpy.run_module(name, run_name=alias, alter_sys=True)
    else:
        content = runpy.run_path(path, run_name=alias)
    module = types.ModuleType(alias)
    module.__dict__.update(content)
    sys.modules[MAIN] = sys.modules[alias] = module


@contextmanager
def without_main() -> Iterator[None]:
    """Prevent processes started by this thread from importing the main module; `Imports` does."""
    thread, plain = threading.get_ident(), multiprocessing.spawn.get_preparation_data

    def quiet(name: str) -> dict[str, Any]:
        data: dict[str, Any] = plain(name)
        if threading.get_ident() == thread:
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data

    with _starting:
        multiprocessing.spawn.get_preparation_data = quiet
        try:
            yield
        finally:
            multiprocessing.spawn.get_preparation_data = plain
