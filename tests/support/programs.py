"""Programs of the repository, run in processes that have imported the large libraries already.

Importing torch, Stable-Baselines3 and what else the command `nas-env` needs takes several seconds,
most of the time of a small program. `run_program` takes the words of a command line like
`subprocess.run`, but forks a server that has done the imports (`program_server`). A program has its
own process, folder, variables and output, and ends like any other. What is special about a cold
start (which modules are loaded, how long it takes) needs `subprocess`.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from tests.support.paths import ROOT

SEARCHED = os.pathsep.join(str(ROOT / name) for name in ("", "agents", "scripts"))
START_SECONDS = 300.0
SPENT: list[float] = []  # processor seconds of each program so far


@cache
def server() -> Connection:
    """Start the server of this process and return the connection to it."""
    own, other = socket.socketpair()
    with other:
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.program_server", str(other.fileno())],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": SEARCHED,
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
        )
    connection = Connection(own.detach())
    atexit.register(connection.close)
    assert connection.poll(START_SECONDS), "the server of programs does not start"
    assert connection.recv() == "ready"
    return connection


def run_program(
    command: Sequence[object],
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    timeout: float = 170.0,
) -> subprocess.CompletedProcess[str]:
    """Run a Python program and return its exit code and what it printed.

    Args:
        command: `sys.executable`; then "-m" and a module, "-c" and a text, or a file; arguments.
        cwd: The folder in which it runs; modules are imported from there first.
        env: All of its environment variables; None: those of this process, with this checkout first
            among the places to import from.
        timeout: Most seconds.

    Raises:
        subprocess.TimeoutExpired: The program takes longer; it was killed.
    """
    executable, *words = map(str, command)
    assert executable == sys.executable, executable
    if env is None:
        env = {**os.environ, "PYTHONPATH": SEARCHED}
    connection = server()
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        connection.send(
            {
                "words": words,
                "cwd": str(cwd),
                "env": dict(env),
                "outputs": [str(path) for path in outputs],
            }
        )
        pid = connection.recv()
        late = not connection.poll(timeout)
        if late:
            os.killpg(pid, signal.SIGKILL)
        code, used = connection.recv()
        SPENT.append(used)
        printed = [path.read_text(encoding="utf-8") for path in outputs]
    if late:
        raise subprocess.TimeoutExpired(words, timeout, *printed)
    return subprocess.CompletedProcess(list(map(str, command)), code, *printed)
