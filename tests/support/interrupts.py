"""Processes that a test interrupts."""

from __future__ import annotations

import signal


def listen() -> None:
    """Let a process be interrupted, also where the tests run in the background and are deaf."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
