"""A head and two nodes on loopback, one of which is killed in the middle of a search."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from queue import Queue

import psutil
import pytest

from tests.nas_env.evaluators.ray.ray_doubles import executions
from tests.support.paths import ROOT

# Ray is not imported here: how it is first imported decides where it listens.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs nas-env[ray]")

HERE = Path(__file__).parent
EVALUATIONS, KILL_AFTER = 200, 60
SECONDS = 90.0  # for whatever comes next; a test that waits longer fails
ENV = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": uuid.uuid4().hex,
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_health_check_period_ms": "1000",
}


class Processes:
    """Programs and all their children, ended by their ids."""

    def __init__(self) -> None:
        self.started: list[psutil.Popen] = []

    def start(self, *command: str, **settings: str) -> psutil.Popen:
        started = psutil.Popen(
            [sys.executable, *command],
            env={**ENV, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(started)
        return started

    def kill(self, started: psutil.Popen) -> set[int]:
        """Kill a program with its children, and return their ids."""
        family = [started]
        with suppress(psutil.NoSuchProcess):
            family += started.children(recursive=True)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)
        return {process.pid for process in family}


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    for started in reversed(made.started):
        made.kill(started)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Yield a folder whose path leaves room for the names of Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def lines_of(started: psutil.Popen) -> Queue[str]:
    """Return the lines a program prints, as they come; "" at its end."""
    lines: Queue[str] = Queue()

    def read() -> None:
        for line in started.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines


def read_until(lines: Queue[str], enough: Callable[[list[str]], bool]) -> list[str]:
    """Return what a program prints until it is enough, which it must be before its end."""
    seen = [lines.get(timeout=SECONDS)]
    while not enough(seen):
        assert seen[-1], "".join(seen)
        seen.append(lines.get(timeout=SECONDS))
    return seen


def ray_start(processes: Processes, *arguments: str) -> psutil.Popen:
    """Start a node on 127.0.0.1 and return when it runs."""
    fixed = ("--node-ip-address=127.0.0.1", "--object-store-memory=80000000", "--block")
    program = str(HERE / "ray_on_loopback.py")
    node = processes.start(program, "start", *arguments, *fixed, "--disable-usage-stats")
    read_until(lines_of(node), lambda seen: "Ray runtime started" in seen[-1])
    return node


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens_beyond_loopback(node: psutil.Popen) -> list[str]:
    """Return the addresses at which a node's processes listen, but those on loopback."""
    found = []
    for process in [node, *node.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.append(f"{process.name()} {connection.laddr.ip}")
    assert found
    return [x for x in found if x.split()[-1] not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")]


def test_a_search_outlives_a_node(processes: Processes, tmp_path: Path, short_path: Path) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    place = f"--temp-dir={short_path}"
    local = "--include-dashboard=false", "--include-log-monitor=false"
    head = ray_start(processes, "--head", f"--port={port}", "--num-cpus=0", place, *local)
    nodes = [ray_start(processes, f"--address={address}", "--num-cpus=1") for _ in range(2)]
    for node in (head, *nodes):
        assert listens_beyond_loopback(node) == []
    notes, store = tmp_path / "notes", tmp_path / "store.sqlite"
    notes.mkdir()
    arguments = f"{address!r}, Path({str(notes)!r}), Path({str(store)!r}), {EVALUATIONS}"
    code = f"from pathlib import Path; from ray_doubles import search; search({arguments})"
    searching = processes.start("-c", code, RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")
    lines = lines_of(searching)
    found = read_until(lines, lambda seen: len(seen) == KILL_AFTER)
    assert all(line.split()[1:] == ["ok", "2"] for line in found), found
    lost = processes.kill(nodes[0])
    found += read_until(lines, lambda seen: not seen[-1])
    assert searching.wait(timeout=SECONDS) == 0, "".join(found)

    results = [line.split() for line in found if line[:1].isdigit()]
    assert sorted(int(index) for index, *_ in results) == list(range(EVALUATIONS))
    assert {outcome for _, outcome, _ in results} == {"ok"}
    assert "places left: 1\n" in found
    connection = sqlite3.connect(store)
    rows = connection.execute("select candidate_key, outcome from evaluations").fetchall()
    connection.close()
    assert len({key for key, _ in rows}) == len(rows) == EVALUATIONS
    made = Counter(executions(notes))
    assert set(made) == {key for key, _ in rows}
    assert sum(made.values()) <= EVALUATIONS + 1  # at most what the lost node was at
    of_the_lost = [notes / f"{pid}.txt" for pid in lost if (notes / f"{pid}.txt").exists()]
    assert of_the_lost, "the node that was killed had done nothing"
