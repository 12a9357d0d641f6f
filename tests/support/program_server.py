"""The server behind `run_program`: imports large libraries once and forks for each program.

It runs no thread and computes nothing, so that a fork of it is as good as a new process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import os
import runpy
import sys
import threading
import traceback
import types
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

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
    gc.collect()
    gc.freeze()  # a collection in a program would touch, and so copy, all of this
    connection = Connection(int(sys.argv[1]))
    connection.send("ready")
    with contextlib.suppress(EOFError, OSError):  # the client is gone
        while True:
            request = connection.recv()
            pid = os.fork()
            if pid == 0:
                connection.close()
                leave(exit_code(request))
            connection.send(pid)
            _, status, used = os.wait4(pid, 0)
            connection.send((os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime))


def exit_code(request: dict[str, Any]) -> int:
    """Run a program in this process and return the exit code that it asks for."""
    try:
        become(request)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """End this process as Python does, but without taking the large libraries apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def become(request: dict[str, Any]) -> None:
    """Run a program in this process, with its own folder, variables, arguments and output."""
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
