"""Programs that are forked from a server end, print and import like those of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.programs import SPENT, run_program


def test_a_program_has_its_own_arguments_folder_variables_and_output(tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text(
        "import os, sys\n"
        "if __name__ == '__main__':\n"
        "    print(sys.argv[1:], os.getcwd(), os.environ['GREETING'], os.environ.get('HOME'))\n"
        "    print('to stderr', file=sys.stderr)\n"
        "    sys.exit(3)\n"
    )
    command = [sys.executable, "-m", "greeting", "one", 2]
    done = run_program(command, tmp_path, {"GREETING": "hello"})
    assert done.returncode == 3
    assert done.stdout == f"['one', '2'] {tmp_path} hello None\n"
    assert done.stderr == "to stderr\n"
    assert "GREETING" not in os.environ


def test_a_program_leaves_nothing_behind_for_the_next(tmp_path: Path) -> None:
    text = "import sys; print('mark' in sys.modules); sys.modules['mark'] = sys"
    outputs = [run_program([sys.executable, "-c", text], tmp_path).stdout for _ in range(2)]
    assert outputs == ["False\n", "False\n"]


def test_an_error_is_printed_and_has_exit_code_one(tmp_path: Path) -> None:
    done = run_program([sys.executable, "-c", "raise ValueError('wrong')"], tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: wrong\n")


def test_what_a_program_registers_for_its_end_happens(tmp_path: Path) -> None:
    text = (
        "import atexit, sys, threading, time\n"
        "atexit.register(print, 'last')\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()\n"
        "sys.exit('not well')\n"
    )
    done = run_program([sys.executable, "-c", text], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "thread\nlast\n", "not well\n")


def test_the_processor_time_of_programs_is_counted(tmp_path: Path) -> None:
    before = sum(SPENT)
    run_program([sys.executable, "-c", "sum(range(20_000_000))"], tmp_path)
    assert sum(SPENT) > before + 0.05


def test_a_program_may_train_and_start_processes(tmp_path: Path) -> None:
    (tmp_path / "workers.py").write_text(
        "import multiprocessing, torch\n"
        "def square(x):\n"
        "    return x * x\n"
        "if __name__ == '__main__':\n"
        "    w = torch.ones(3, requires_grad=True)\n"
        "    (w * w).sum().backward()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(w.grad.tolist(), pool.map(square, [2, 3]))\n"
    )
    done = run_program([sys.executable, "-m", "workers"], tmp_path)
    assert (done.stdout, done.returncode) == ("[2.0, 2.0, 2.0] [4, 9]\n", 0), done.stderr


def test_a_program_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    text = "import time; print('begun', flush=True); time.sleep(600)"
    begun = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired) as raised:
        run_program([sys.executable, "-c", text], tmp_path, timeout=2)
    assert time.monotonic() - begun < 60
    assert raised.value.stdout == "begun\n"


def test_the_server_runs_no_threads(tmp_path: Path) -> None:
    text = "import os; print(len(os.listdir('/proc/self/task')))"
    assert run_program([sys.executable, "-c", text], tmp_path).stdout == "1\n"
    parent = "import os; print(len(os.listdir(f'/proc/{os.getppid()}/task')))"
    assert run_program([sys.executable, "-c", parent], tmp_path).stdout == "1\n"
