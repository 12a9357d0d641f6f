"""A fault of the disk at a chosen moment of a command: `nas-env search --import injected_fault`.

Variables of the environment choose the fault:

* FAULT_KIND: "full" (every write of a file fails), "vanishes" (the folder is moved away), or
  "read-only" (all files and folders lose write permission; root loses its privileges);
* FAULT_AT: MODULE:NAME of the function before which the fault occurs, and FAULT_CALL the number of
  its call;
* FAULT_FOLDER: the folder of the run.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("FAULT_FOLDER", ""))
AWAY = ".away"


def full() -> None:
    """Let every write of a file fail, as on a full disk; pipes go on."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))


def vanishes() -> None:
    """Move the folder away."""
    if FOLDER.exists():
        FOLDER.rename(FOLDER.with_name(FOLDER.name + AWAY))


def read_only() -> None:
    """Remove the permission to write, also that of root."""
    for path in (FOLDER.parent, FOLDER, *FOLDER.rglob("*")):
        if path.exists():
            path.chmod(0o555 if path.is_dir() else 0o444)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, nothing) == 0


def repair(folder: Path, kind: str) -> None:
    """Undo a fault after the command has ended."""
    away = folder.with_name(folder.name + AWAY)
    if kind == "vanishes" and away.exists():
        assert not folder.exists(), "the command made the folder again"
        away.rename(folder)
    if kind == "read-only":
        for path in (folder.parent, folder, *folder.rglob("*")):
            if path.exists():
                path.chmod(0o755 if path.is_dir() else 0o644)


FAULTS = {"full": full, "vanishes": vanishes, "read-only": read_only}


def _print_through_pipes() -> None:
    """Let other processes write what is printed: this one may not be able to."""
    for number in (1, 2):
        kept = os.dup(number)
        cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=number)
        assert cat.stdin is not None
        os.dup2(cat.stdin.fileno(), number)
        cat.stdin.close()
        atexit.register(_print_directly, number, kept, cat)


def _print_directly(number: int, kept: int, cat: subprocess.Popen[bytes]) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(kept, number)
    cat.wait()


def _inject(kind: str, at: str, number: int) -> None:
    module, _, name = at.partition(":")
    *owners, last = name.split(".")
    owner: Any = importlib.import_module(module)
    for word in owners:
        owner = getattr(owner, word)
    plain, calls = getattr(owner, last), 0

    def with_fault(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            FAULTS[kind]()
            print("the fault occurs", file=sys.stderr, flush=True)
        return plain(*arguments, **named)

    setattr(owner, last, with_fault)


if "FAULT_KIND" in os.environ:
    _print_through_pipes()
    _inject(os.environ["FAULT_KIND"], os.environ["FAULT_AT"], int(os.environ["FAULT_CALL"]))
