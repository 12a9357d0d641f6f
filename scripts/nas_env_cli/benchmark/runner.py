"""Runs cells in worker processes; a cell that fails or crashes does not stop the others."""

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

# The fork server imports everything once and has no threads, so forking from it is safe.
START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


@dataclass(frozen=True)
class CellOutcome:
    """The outcome of a cell.

    Attributes:
        cell: The cell.
        reason: Why its run ended; empty if it failed.
        error: The error message; empty if the run succeeded.
    """

    cell: Cell
    reason: str = ""
    error: str = ""


class Worker:
    """A process that runs cells one after another and writes each to the folder."""

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
        """Send a cell to the process."""
        self.cell = cell
        self.connection.send(cell)

    def take(self) -> CellOutcome:
        """Receive the outcome of its cell."""
        assert self.cell is not None
        cell, self.cell = self.cell, None
        try:
            reason, error = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return CellOutcome(cell, error=f"its process ended with code {self.process.exitcode}")
        return CellOutcome(cell, reason, error)

    def stop(self) -> None:
        """End the process, even in the middle of a cell."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def run_plan(
    plan: Plan, folder: BenchmarkFolder, processes: int, results: str = "results.parquet"
) -> list[CellOutcome]:
    """Run every unfinished cell of a plan, merge the results, and return the failures.

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
    tell: Callable[[CellOutcome], Any],
) -> list[CellOutcome]:
    """Run cells, call `tell` with each outcome, and return the failures."""
    waiting = deque(cells)
    workers: list[Worker] = []
    failed: list[CellOutcome] = []
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
    """Run cells until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process
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
    """Run a cell; return (reason for the end, "") or ("", error message)."""
    try:
        rows, reason = play(cell, limits)
        folder.write(cell, rows, reason)
    except Exception as error:  # a failed cell must not stop the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(where.filename)}:{where.lineno}"
        folder.write_log(cell, traceback.format_exc())
        return "", f"{type(error).__name__}: {error} ({place}; traceback in {folder.log(cell)})"
    return reason, ""


class CellProgress:
    """Prints how many cells are done and the time left.

    Args:
        total: Cells to run.
        finished: Cells that were already finished.
    """

    def __init__(self, total: int, finished: int) -> None:
        self.total = total
        self.done = 0
        self._first = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        text = f"{total} cells to run"
        self._print(f"{text}, {finished} already finished" if finished else text)

    def show(self, done: CellOutcome) -> None:
        """Show the progress after a cell; print a failure at once."""
        self.done += 1
        if done.error:
            self._print(f"failed: {done.cell}: {done.error}")
        now = time.monotonic()
        if self.done == 1:
            self._first = now  # excludes the start of the processes
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
