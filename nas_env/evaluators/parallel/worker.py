"""Code of a worker process, which evaluates candidates one by one until its pipe is closed."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from nas_env.errors import NASError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.evaluators.base import Evaluator, failed
from nas_env.evaluators.parallel.imports import Imports
from nas_env.evaluators.parallel.memory import LINUX, Limit

READY, BEGUN, DONE, ERROR, BROKEN = "ready", "begun", "done", "error", "broken"
GPUS = "CUDA_VISIBLE_DEVICES"
SIGNAL_OF_PARENTS_END = 1  # PR_SET_PDEATHSIG
OOM_SCORE = "800"  # of 1000: out of memory, the kernel kills a worker, not the search
logger = logging.getLogger(__name__)
inside = False  # whether this is a worker process


def serve(connection: Connection, imports: Imports, gpus: str | None) -> None:
    """Receive the evaluator through the pipe, then evaluate candidates from it.

    Args:
        connection: The pipe.
        imports: Imports before the evaluator is loaded.
        gpus: CUDA_VISIBLE_DEVICES of the parent. A cluster may change it for each task, but the
            server that forks this process has the first value.
    """
    global inside
    inside = True
    os.environ.pop(GPUS, None)
    if gpus is not None:
        os.environ[GPUS] = gpus
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    try:
        evaluator = load(connection.recv_bytes(), imports)
        limit = Limit(device_of(evaluator))
    except BaseException as error:
        connection.send((BROKEN, f"{type(error).__name__}: {error}", True))
        return
    connection.send((READY, limit.device_mb, False))
    while True:
        try:
            message, megabytes = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        connection.send((BEGUN, None, False))
        limit.set(megabytes)
        connection.send_bytes(answer(evaluator, message, limit))


def load(pickled: bytes, imports: Imports) -> Evaluator:
    """Return the evaluator, after the imports, which must not count as evaluation time."""
    imports.load()
    evaluator: Evaluator = pickle.loads(pickled)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    return evaluator


def device_of(evaluator: Evaluator) -> str:
    """Return the device on which an evaluator trains."""
    return str(getattr(evaluator.unwrapped, "device", "cpu"))


def answer(evaluator: Evaluator, message: bytes, limit: Limit) -> bytes:
    """Return the pickled reply: kind, content, and whether this process should be replaced."""
    kind, content = evaluate(evaluator, message)
    limit.release()
    short = isinstance(content, Evaluation) and content.outcome is Outcome.OUT_OF_MEMORY
    try:
        return pickle.dumps((kind, content, short or limit.half_used))
    except Exception as error:
        text = f"The result cannot be sent: {type(error).__name__}: {error}"
        return pickle.dumps((DONE, failed(Outcome.CRASHED, text), True))


def evaluate(evaluator: Evaluator, message: bytes) -> tuple[str, Any]:
    """Return the kind and content of the reply: an evaluation, or an error of the caller."""
    try:
        candidate, budget = pickle.loads(message)
        return DONE, evaluator.evaluate([candidate], budget)[0]
    except NASError as error:
        return ERROR, error
    except BaseException as error:
        logger.warning("An evaluation crashed; it is scored as a failure.", exc_info=error)
        return DONE, failed(Outcome.CRASHED, f"{type(error).__name__}: {error}")


def end_with_parent() -> None:
    """End this process when its parent ends, and prefer it as victim of the OOM killer."""
    if LINUX:
        import ctypes

        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
        # The parent is the server that forks workers, which ends with the search. The kernel kills
        # this process even if the thread below cannot run because the GIL is held.
        ctypes.CDLL(None).prctl(SIGNAL_OF_PARENTS_END, signal.SIGKILL)
    threading.Thread(target=_watch_parent, name="watch-parent", daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    signs: list[Any] = [parent.sentinel]
    if hasattr(os, "pidfd_open") and parent.pid is not None:  # the sentinel may be held by a fork
        with contextlib.suppress(OSError):
            signs.append(os.pidfd_open(parent.pid))
    wait(signs)
    os._exit(1)
