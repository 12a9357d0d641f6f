"""Where Ctrl-C may end a search, and where it waits for a moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.interrupts import listen

BEFORE = """
import signal, time
from nas_env_cli.interrupts import leave_at_the_second_interrupt, time_limit

def busy(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

def interrupted(times=1):
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)
    busy(0.1)
    print("went on", flush=True)

class Cleaned:
    def __del__(self):
        interrupted()

def press():
    signal.raise_signal(signal.SIGINT)

store = {"__name__": "sqlalchemy.pool.base", "interrupted": interrupted, "press": press}
exec("def finalise(times=1): interrupted(times)", store)
exec("def commit(): press()", store)
leave_at_the_second_interrupt()
try:
"""
AFTER = """
    busy(30)
except KeyboardInterrupt:
    print("ended in order", flush=True)
"""


def run(line: str) -> subprocess.CompletedProcess[str]:
    program = f"{BEFORE}    {line}{AFTER}"
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=listen,
    )


def test_elsewhere_it_ends_the_search_at_once():
    done = run("interrupted()")
    assert done.stdout.split("\n") == ["ended in order", ""], done.stderr


@pytest.mark.parametrize("where", ["store['finalise']()", "Cleaned()"])
def test_the_store_and_what_cleans_up_end_first(where):
    done = run(where)
    assert done.stdout.split("\n") == ["went on", "ended in order", ""], done.stderr
    assert done.stderr == ""


def test_the_second_one_ends_the_process_also_there():
    done = run("store['finalise'](times=2)")
    assert (done.returncode, done.stdout) == (130, "")


@pytest.mark.parametrize(
    "lines",
    [
        ["with time_limit(60):", "    store['commit']()"],
        ["store['commit']()", "with time_limit(60):", "    busy(30)"],
        ["with time_limit(60):", "    press()"],
    ],
)
def test_it_is_not_lost_at_the_ends_of_a_time_limit(lines):
    done = run("\n    ".join(lines))
    assert done.stdout == "ended in order\n", done.stderr
