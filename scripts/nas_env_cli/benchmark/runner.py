"""Cells spread over processes; whatever a cell does, the others are played."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from nas_env.wrappers import Limits
from nas_env_cli.benchmark.cells import Cell, play
from nas_env_cli.benchmark.folder import BenchmarkFolder, Plan
from nas_env_cli.search.provenance import versions
from nas_env_cli.worker_process import end_with_parent, one_thread_each

# A server that has imported everything forks the workers; it has no threads that a fork would lose.
START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


@dataclass(frozen=True)
class Done:
    """What became of a cell.

    Attributes:
        cell: The cell.
        reason: Why its run ended; empty where it failed.
        error: What went wrong; empty where nothing did.
    """

    cell: Cell
    reason: str = ""
    error: str = ""


class Worker:
    """A process that plays one cell after another and writes each into the folder."""

    def __init__(self, folder: BenchmarkFolder, limits: Limits) -> None:
        context: Any = multiprocessing.get_context(START)
        if START == "forkserver":
            context.set_forkserver_preload(["__main__", "nas_env_cli.benchmark.cells"])
        self.connection, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, folder, limits), daemon=True)
        self.process.start()
        other.close()
        self.cell: Cell | None = None

    def give(self, cell: Cell) -> None:
        """Give it a cell to play."""
        self.cell = cell
        self.connection.send(cell)

    def take(self) -> Done:
        """Return what became of its cell."""
        assert self.cell is not None
        cell, self.cell = self.cell, None
        try:
            reason, error = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return Done(cell, error=f"its process ended with code {self.process.exitcode}")
        return Done(cell, reason, error)

    def stop(self) -> None:
        """End the process, also in the middle of a cell."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def run_plan(
    plan: Plan, folder: BenchmarkFolder, processes: int, results: str = "results.parquet"
) -> list[Done]:
    """Play every cell of a plan that is not finished, merge the results, return the failures.

    Raises:
        InvalidSettingError: The folder was begun with other settings, or is in use.
    """
    limits, cells = plan.limits, plan.cells()
    started = time.monotonic()
    with folder.lock():
        folder.begin(plan, versions())
        missing = [cell for cell in cells if not folder.has(cell)]
        progress = CellProgress(len(missing), len(cells) - len(missing))
        try:
            failed = run_cells(missing, folder, limits, processes, progress.show)
        finally:
            if missing:
                folder.note_seconds(time.monotonic() - started)
        folder.merge(results)
    return failed


def run_cells(
    cells: Iterable[Cell],
    folder: BenchmarkFolder,
    limits: Limits,
    processes: int,
    tell: Callable[[Done], Any],
) -> list[Done]:
    """Play cells that are not finished, tell of each, and return the failures."""
    waiting = deque(cells)
    workers: list[Worker] = []
    failed: list[Done] = []
    one_thread_each()
    try:
        while waiting or any(worker.cell for worker in workers):
            workers = [worker for worker in workers if worker.process.is_alive() or worker.cell]
            while waiting and len(workers) < processes:
                workers.append(Worker(folder, limits))
            for worker in workers:
                if waiting and worker.cell is None:
                    worker.give(waiting.popleft())
            ready = wait([worker.connection for worker in workers if worker.cell])
            for done in [worker.take() for worker in workers if worker.connection in ready]:
                failed += [done] if done.error else []
                tell(done)
    finally:
        for worker in workers:
            worker.stop()
    return failed


def work(connection: Connection, folder: BenchmarkFolder, limits: Limits) -> None:
    """Play cells until the other side goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    threading.Thread(target=end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    while True:
        try:
            cell = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(play_and_write(cell, folder, limits))


def play_and_write(cell: Cell, folder: BenchmarkFolder, limits: Limits) -> tuple[str, str]:
    """Return why the run ended and an empty text, or an empty text and what went wrong."""
    try:
        rows, reason = play(cell, limits)
        folder.write(cell, rows, reason)
    except Exception as error:  # a cell must not stop the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(where.filename)}:{where.lineno}"
        folder.write_log(cell, traceback.format_exc())
        return "", f"{type(error).__name__}: {error} ({place}; all of it in {folder.log(cell)})"
    return reason, ""


class CellProgress:
    """Shows how many cells are done and how much time is left, on a terminal and elsewhere.

    Args:
        total: Cells to play.
        finished: Cells that were finished before.
    """

    def __init__(self, total: int, finished: int) -> None:
        self.total = total
        self.done = 0
        self._first = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        text = f"{total} cells to play"
        self._print(f"{text}, {finished} are finished already" if finished else text)

    def show(self, done: Done) -> None:
        """Show that a cell is done; say at once what failed."""
        self.done += 1
        if done.error:
            self._print(f"failed: {done.cell}: {done.error}")
        now = time.monotonic()
        if self.done == 1:
            self._first = now  # before it, processes began
        often = 0.2 if self._terminal else 30.0
        if now - self._shown >= often or self.done == self.total:
            self._shown = now
            seconds_left = (now - self._first) / max(self.done - 1, 1) * (self.total - self.done)
            parts = [
                f"{self.done}/{self.total} cells",
                f"{_clock(seconds_left)} left" * (self.done > 1),
            ]
            text = f"{', '.join(filter(None, parts))}; {done.cell}: {done.reason}"
            self._print(text, stays=not self._terminal or self.done == self.total)

    def _print(self, text: str, stays: bool = True) -> None:
        start, end = ("\r\x1b[K", "\n" if stays else "") if self._terminal else ("", "\n")
        print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
