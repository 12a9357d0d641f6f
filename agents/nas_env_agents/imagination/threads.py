"""One thread for linear algebra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Context manager: limit numpy's linear algebra to one thread.

    Matrices of a few hundred rows gain little from more threads. When other processes use the
    cores, threads that wait for each other make a decision many times slower.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries
