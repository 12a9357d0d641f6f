"""The folders of evaluators that stop networks early: gone with their process, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, time
from nas_env.evaluators import EVALUATORS
from nas_env.tasks import TASKS
evaluator = EVALUATORS.get("halving")(task=TASKS.get("wine")())
print("made", flush=True)
{then}
"""


def run(folder: Path, then: str = "") -> subprocess.Popen[str]:
    env = {**os.environ, "TMPDIR": str(folder)}
    program = [sys.executable, "-c", PROGRAM.format(then=then)]
    process = subprocess.Popen(program, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "made\n"
    return process


def age(folder: Path) -> None:
    for each in folder.iterdir():
        os.utime(each, (0, 0))


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of folders there")
def test_a_killed_process_leaves_its_folder_to_the_next_one(tmp_path: Path) -> None:
    alive, killed = run(tmp_path, "time.sleep(60)"), run(tmp_path, "time.sleep(60)")
    mine = set(tmp_path.iterdir())
    assert len(mine) == 2
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert run(tmp_path).wait() == 0
    assert set(tmp_path.iterdir()) == mine, "so young a folder may not be held yet"
    age(tmp_path)
    assert run(tmp_path).wait() == 0, "it takes its own folder away"
    left = set(tmp_path.iterdir())
    assert len(left) == 1 and left < mine, "that of the living process stays"
    alive.kill()
    alive.wait()
