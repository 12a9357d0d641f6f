"""How the command of a search ends where somebody interrupts it."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

INTERRUPTED = 130


def how_to_go_on(path: Path) -> str:
    """Return the command that goes on with the search in a folder."""
    given = [word for word in sys.argv if word != "--resume"]
    folder = [] if "--output" in " ".join(given) else ["--output", str(path)]
    return f"To go on: {shlex.join(['python', *given, *folder, '--resume'])}"


def leave_at_the_second_interrupt() -> None:
    """Let the first Ctrl-C end the search in order, and the second one end the process at once.

    What was evaluated is in the store by then, and worker processes end with their parent.
    """

    def interrupt(*_: Any) -> None:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
