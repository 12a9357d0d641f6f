"""How the command of a search ends where somebody interrupts it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

INTERRUPTED = 130
LATER = 0.01  # seconds until the search is asked again whether it may end


def how_to_go_on(path: Path) -> str:
    """Return the command that goes on with the search in a folder."""
    given = [word for word in sys.argv[1:] if word != "--resume"]
    folder = [] if "--output" in " ".join(given) else ["--output", str(path)]
    return f"To go on: {shlex.join([_program(), *given, *folder, '--resume'])}"


def _program() -> str:
    """Return the command `nas-env` as a user types it here: with its folder if not on the path."""
    if shutil.which("nas-env") is not None:
        return "nas-env"
    program, here = Path(sys.executable).with_name("nas-env"), Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)


def leave_at_the_second_interrupt() -> None:
    """Let the first Ctrl-C end the search in order, and the second one end the process at once.

    What was evaluated is in the store by then, and worker processes end with their parent. The
    store ends what it began first: an exception amid its cleaning up would be swallowed or logged.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _first)


def _first(_: int, frame: FrameType | None) -> None:
    """Have the search end as soon as it may."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    if not hasattr(signal, "SIGALRM"):  # Windows cannot look again
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, _as_soon_as_it_may)
    _as_soon_as_it_may(_, frame)


def _as_soon_as_it_may(_: int, frame: FrameType | None) -> None:
    """End the search, or look again in a moment.

    Raises:
        KeyboardInterrupt: The search may end here.
    """
    if not _unbreakable(frame):
        raise KeyboardInterrupt
    signal.setitimer(signal.ITIMER_REAL, LATER)


def _unbreakable(frame: FrameType | None) -> bool:
    """Return whether a frame stands in the store's work, or where objects are cleaned up."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".")[0] == "sqlalchemy" or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
