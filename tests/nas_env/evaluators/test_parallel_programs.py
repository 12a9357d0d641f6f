"""`Parallel` in programs of their own: how they end, and what their workers import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support.interrupts import listen

HEADER = """
import os, sys, time
from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget
from nas_env.evaluators import Parallel
from nas_env.evaluators.base import Evaluator
from nas_env.evaluators.synthetic import Synthetic
from nas_env.tasks import TASKS

BUDGET = Budget(epochs=1)


def network(units):
    return Candidate(Architecture((Layer.of("linear", units=units),)))
"""
PATIENCE = 100  # seconds in which anything must have happened, on a busy machine


def program(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.write_text(HEADER + textwrap.dedent(text), encoding="utf-8")
    return path


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the program, not for the tests
        preexec_fn=listen,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        pytest.fail(f"It hangs.\n{output}\n{errors}")


def run(path: Path) -> str:
    process = start(path)
    output, errors = finish(process)
    assert process.returncode == 0, errors
    return output


def gone(pids: list[int]) -> bool:
    """Return whether all processes are gone within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_processes_are_deaf_to_interrupts_before_python_starts(method: str, tmp_path: Path) -> None:
    text = f"""
    import pathlib, re, signal, psutil
    import multiprocessing.util as util

    def masked():
        words = pathlib.Path("/proc/thread-self/status").read_text()
        mask = int(re.search(r"SigBlk:\\s*(\\w+)", words)[1], 16)
        return bool(mask >> (signal.SIGINT - 1) & 1)

    plain, seen = util.spawnv_passfds, []

    def noting(path, args, passfds):
        seen.append(masked())
        return plain(path, args, passfds)

    util.spawnv_passfds = noting
    import multiprocessing.popen_spawn_posix

    if __name__ == "__main__":
        parallel = Parallel(Synthetic(TASKS.get("wine")()), workers=2, start_method="{method}")
        print(parallel.evaluate([network(4), network(5)], BUDGET)[1].ok)
        parallel.close()
        print(len(seen) > 1 and all(seen), masked())
    """
    assert run(program(tmp_path, text)).split() == ["True", "True", "False"]


SLEEPING = """
    class Sleeping(Evaluator):
        fingerprint = "sleeping"

        def evaluate(self, candidates, budget):
            if candidates[0].architecture.layers[0]["units"] > 1:
                time.sleep(600)
            return Synthetic(TASKS.get("wine")()).evaluate(candidates, budget)

    if __name__ == "__main__":
        parallel = Parallel(Sleeping(), workers=2)
        futures = [parallel.submit(network(x), BUDGET) for x in (1, 2, 3)]
        while len(parallel.pids()) < 2 or not futures[0].done():
            time.sleep(0.01)
        print(*parallel.pids())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", ["kill", "interrupt", "twice", "exit", "error"])
def test_no_worker_outlives_its_program(tmp_path: Path, end: str) -> None:
    last = {"exit": "", "error": "1 / 0"}.get(end, "parallel.evaluate([network(4)], BUDGET)")
    process = start(program(tmp_path, f"{SLEEPING}\n        {last}\n"))
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    if end == "kill":
        process.kill()
    elif end in ("interrupt", "twice"):
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        if end == "twice":
            time.sleep(0.02)
            os.killpg(process.pid, signal.SIGINT)
    _, errors = finish(process)
    assert gone(pids)
    codes = {"kill": {-signal.SIGKILL}, "exit": {0}, "error": {1}}
    assert process.returncode in codes.get(end, {-signal.SIGINT, 1, 130})
    assert ("KeyboardInterrupt" in errors) == (end in ("interrupt", "twice"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_has_processes_of_its_own(tmp_path: Path) -> None:
    text = """
        parallel = Parallel(Synthetic(TASKS.get("wine")()), workers=1)
        assert parallel.evaluate([network(1)], BUDGET)[0].ok
        before = parallel.pids()
        child = os.fork()
        if child == 0:
            assert parallel.evaluate([network(2)], BUDGET)[0].ok
            assert parallel.pids() != before
            parallel.close()
            print("fork")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert parallel.evaluate([network(3)], BUDGET)[0].ok
        assert parallel.pids() == before
        print("original")
    """
    assert run(program(tmp_path, text)).split() == ["fork", "original"]


def test_a_script_needs_no_guard_where_workers_need_nothing_of_it(tmp_path: Path) -> None:
    text = """
        print("main")
        parallel = Parallel(Synthetic(TASKS.get("wine")()), workers=1)
        print(parallel.evaluate([network(8)], BUDGET)[0].outcome)
    """
    assert run(program(tmp_path, text)).split() == ["main", "ok"]


LAYERS = """
    from nas_env.layers.base import LayerType, register_layer


    @register_layer("my-own")
    class MyOwn(LayerType):
        def output_shape(self, layer, inputs):
            return inputs[0]

        def build(self, layer, inputs):
            raise NotImplementedError

        def label(self, layer):
            return "my own"
"""
EVALUATE = """
    own = Candidate(Architecture((Layer.of("my-own"),)))
    parallel = Parallel(Synthetic(TASKS.get("wine")()), workers=1)
    found = parallel.evaluate([own], BUDGET)[0]
    print(found.outcome, found.message)
"""


def test_layers_of_a_script_are_known_in_workers(tmp_path: Path) -> None:
    guarded = 'if __name__ == "__main__":\n' + EVALUATE
    assert run(program(tmp_path, textwrap.dedent(LAYERS) + guarded)).split() == ["ok"]


def test_layers_of_another_module_are_known_in_workers(tmp_path: Path) -> None:
    (tmp_path / "my_layers.py").write_text(textwrap.dedent(LAYERS), encoding="utf-8")
    imports = "import my_layers\n"
    assert run(program(tmp_path, imports + textwrap.dedent(EVALUATE))).split() == ["ok"]


def test_a_script_whose_layers_are_needed_is_told_that_it_lacks_a_guard(tmp_path: Path) -> None:
    process = start(program(tmp_path, textwrap.dedent(LAYERS) + textwrap.dedent(EVALUATE)))
    _, errors = finish(process)
    assert process.returncode == 1
    assert (
        "Put the code that evaluates under `if __name__ == '__main__':`" in errors.splitlines()[-1]
    )


def test_layers_of_an_interactive_session_are_refused() -> None:
    code = HEADER + textwrap.dedent(LAYERS) + textwrap.dedent(EVALUATE)
    ran = subprocess.run(
        [sys.executable, "-"], input=code, capture_output=True, text=True, timeout=PATIENCE
    )
    assert ran.returncode == 1
    assert "defined in an interactive session" in ran.stderr.splitlines()[-1]
