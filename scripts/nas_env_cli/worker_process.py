"""Helpers of worker processes: single-threaded libraries, and an end with the parent."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import wait

ORPHANED = 3


def one_thread_each() -> None:
    """Make numerical libraries use one thread in all processes that start from now on."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"


def end_with_parent() -> None:
    """Wait for the parent to end, then end this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(ORPHANED)
