"""Run a module by its name: what `python -m scripts.studies`, `.bench` and `.data` share.

Such a module has a dataclass `Options`, the source of its command line, and `run(options)`, which
returns the exit code. Interrupts and refused values become exit codes here and nowhere else.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import tyro

from nas_env.registry import unknown_name
from nas_env_cli.interrupts import REFUSED, exit_code


def run_by_name(program: str, what: str, modules: Mapping[str, str], words: Sequence[str]) -> int:
    """Run the module that the first word names, with the options that follow.

    Args:
        program: How the user calls it, such as "python -m scripts.studies".
        what: What a name is, such as "page".
        modules: Import path of each module by its name.
        words: The command line.
    """
    if not words or words[0] in ("-h", "--help"):
        print(f"usage: {program} {what.upper()} [OPTIONS]\n\n{what}s: {', '.join(modules)}")
        return 0
    name, *rest = words
    if name not in modules:
        print(f"error: {unknown_name(what, name, modules)}", file=sys.stderr)
        return REFUSED
    module = importlib.import_module(modules[name])
    options = tyro.cli(
        module.Options,
        args=rest,
        prog=f"{program} {name}",
        description=inspect.cleandoc(module.Options.__doc__ or "").partition("\n\nAttributes:")[0],
    )
    return exit_code(partial(module.run, options))
