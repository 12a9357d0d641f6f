"""The server behind `run_program`: imports large libraries once and forks for each program.

It runs no thread and computes nothing, so that a fork of it is as good as a new process.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import runpy
import sys
import types
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LIBRARIES = (
    "gymnasium",
    "matplotlib.figure",
    "safetensors.torch",
    "sb3_contrib",
    "scipy.stats",
    "sqlalchemy",
    "stable_baselines3",
    "torch.utils.tensorboard",
    "tqdm",
    "tyro",
)


def main() -> None:
    """Import what programs need, then run one program after another until the client is gone."""
    for name in LIBRARIES:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    connection = Connection(int(sys.argv[1]))
    connection.send("ready")
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        pid = os.fork()
        if pid == 0:
            connection.close()
            become(request)
            return
        connection.send(pid)
        _, status = os.waitpid(pid, 0)
        connection.send(os.waitstatus_to_exitcode(status))


def become(request: dict[str, Any]) -> None:
    """Run a program in this process; it ends with the program's exit code."""
    os.setsid()
    places = [os.devnull, *request["outputs"]]
    modes = [os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2]
    for number, (place, mode) in enumerate(zip(places, modes, strict=True)):
        opened = os.open(place, mode)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    given = request["env"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [request["cwd"], *filter(None, given), *sys.path[1:]]
    kind, *arguments = request["words"]
    sys.argv[:] = [kind, *arguments]
    if kind == "-m":
        del sys.argv[0]
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        del sys.argv[1]
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(arguments[0], "<string>", "exec"), module.__dict__)
    else:
        sys.path[0] = str(Path(kind).resolve().parent)
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    main()
