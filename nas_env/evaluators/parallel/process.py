"""The pool's side of a worker process."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

from nas_env.evaluators.parallel.imports import Imports, without_main
from nas_env.evaluators.parallel.jobs import Job
from nas_env.evaluators.parallel.worker import BEGUN, GPUS, serve

START_SECONDS = 300.0  # imports may be slow on a busy machine
GRACE_SECONDS = 1.0  # for the training loop to stop before its process is killed
IMPORTED_IN = os.getpid()
LAST_SECONDS = 1.0  # for a process to end after its pipe is closed


def start_context(method: str | None, imports: Imports) -> BaseContext:
    """Return the multiprocessing context; the default is a fork server if that is safe."""
    if method is None:
        forked = os.getpid() != IMPORTED_IN  # the server belongs to the parent process
        method = "forkserver" if sys.platform == "linux" and not forked else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([serve.__module__, *imports.late])
    return context


@contextmanager
def undisturbed() -> Iterator[None]:
    """Start processes that ignore Ctrl-C from their beginning.

    Processes inherit the signal mask of this thread. A handler in the process would be installed
    too late, after the start of Python.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its start unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Worker:
    """A worker process: starting, idle, or busy with a job.

    Args:
        context: Context that starts the process.
        evaluator: The pickled evaluator.
        imports: Imports of the process.
    """

    def __init__(self, context: BaseContext, evaluator: bytes, imports: Imports) -> None:
        self.connection, theirs = context.Pipe()
        arguments = theirs, imports, os.environ.get(GPUS)
        self.process: Any = context.Process(  # type: ignore[attr-defined]
            target=serve, args=arguments, name="evaluation-worker", daemon=True
        )
        try:
            with without_main(), undisturbed():
                self.process.start()
        finally:
            theirs.close()
        self.ready = False
        self.lost = False
        self.job: Job | None = None
        self.begun = False  # whether the process reported the start of the job
        self.deadline = time.monotonic() + START_SECONDS
        self._sender = threading.Thread(
            target=_send, args=(self.connection, evaluator), daemon=True
        )  # sending a large evaluator blocks until the process reads it
        self._sender.start()

    @property
    def idle(self) -> bool:
        """Whether the worker can start a job."""
        return self.ready and self.job is None and not self.lost

    def begin(self, job: Job, limit_mb: float) -> None:
        """Send a job."""
        self.job, self.begun = job, False
        job.sent += 1
        if job.max_seconds is not None:
            self.deadline = time.monotonic() + job.max_seconds + GRACE_SECONDS
        try:
            self.connection.send_bytes(pickle.dumps((job.message, limit_mb)))
        except OSError:
            self.lose()

    def receive(self) -> tuple[str, Any, bool] | None:
        """Receive one message, or None if the pipe is closed.

        A message has a kind, its content, and whether the process should be replaced.
        """
        try:
            kind, content, worn = pickle.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None
        except Exception as error:  # unpickling runs arbitrary code
            kind, content, worn = "unreadable", f"{type(error).__name__}: {error}", True
        if kind == BEGUN:
            self.begun = True
        else:
            self.deadline = inf
        return kind, content, worn

    def lose(self) -> None:
        """Mark the pipe as closed; the process then has a short time to end."""
        self.lost = True
        self.deadline = min(self.deadline, time.monotonic() + LAST_SECONDS)

    def end(self) -> None:
        """Kill the process."""
        if self.process.exitcode is None:
            self.process.kill()
        self._sender.join(timeout=LAST_SECONDS)
        if not self._sender.is_alive():
            self.connection.close()

    @property
    def last_words(self) -> str:
        """Description of how the process ended."""
        code = self.process.exitcode
        if code is None:
            return "The worker closed its pipe."
        if code >= 0:
            return f"The worker ended with exit code {code}."
        with suppress(ValueError):
            return f"The worker was ended by signal {-code} ({signal.Signals(-code).name})."
        return f"The worker was ended by signal {-code}."


def _send(connection: Connection, evaluator: bytes) -> None:
    with suppress(OSError):  # the end of the process is detected elsewhere
        connection.send_bytes(evaluator)
