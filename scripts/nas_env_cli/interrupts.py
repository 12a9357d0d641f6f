"""Exit codes of the commands after Ctrl-C, invalid input, and faults of files and disks."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from nas_env_cli.file_faults import message_of

INTERRUPTED, REFUSED = 130, 2
RETRY_SECONDS = 0.01  # interval of the checks whether the interrupted code can be left
KEPT = "Finished work is kept; run the same command again to continue."


def exit_code(
    run: Callable[[], int], interrupted: str = KEPT, kept: Callable[[], str] = lambda: ""
) -> int:
    """Run a command and return its exit code; print the error, or a text after Ctrl-C.

    Args:
        run: The command; returns its exit code.
        interrupted: Text to print after an interrupt.
        kept: Returns the text to print after the error of a file, of a disk or of the store: what
            is kept and how to continue.
    """
    import gymnasium

    from nas_env.errors import NASError, StoreError

    try:
        return run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ignored while the process ends
        print(f"\nInterrupted. {interrupted}".rstrip(), file=sys.stderr)
        return INTERRUPTED
    except (NASError, gymnasium.error.Error) as error:
        message = str(error)
        remedy = kept() if isinstance(error, StoreError) else ""
    except OSError as error:
        described = message_of(error)
        if described is None:
            raise
        message, remedy = described, kept()
    print("\n".join(filter(None, (f"error: {message}", remedy))), file=sys.stderr)
    return REFUSED


def resume_command(path: Path) -> str:
    """Return the command that resumes the search in a folder, from this command line."""
    words = [word for word in sys.argv[1:] if word != "--resume"]
    folder = [] if "--output" in " ".join(words) else ["--output", str(path)]
    return shlex.join([_program(), *words, *folder, "--resume"])


def _program() -> str:
    """Return the command `nas-env`, with its folder if it is not on the PATH."""
    if shutil.which("nas-env") is not None:
        return "nas-env"
    program, here = Path(sys.executable).with_name("nas-env"), Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)


def leave_at_the_second_interrupt() -> None:
    """Install a handler: the first Ctrl-C raises KeyboardInterrupt, the second one exits at once.

    An immediate exit is safe: evaluations are already in the store, and worker processes end with
    their parent. The first Ctrl-C waits while code of the store or a destructor runs, because an
    exception would be swallowed or only logged there.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _first)


class TimeIsUp(KeyboardInterrupt):
    """The time limit of a `time_limit` block was reached.

    It is a KeyboardInterrupt because the running code must end in the same way: what is finished
    is kept, and worker processes are stopped.
    """


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop the block after a number of seconds; only in the main thread, blocks do not nest.

    Like Ctrl-C, it waits while code of the store or a destructor runs. It also waits for the end of
    an import, because later imports may find a module that is only half initialised. A Ctrl-C that
    still waits when the block begins or ends is raised there. On Windows, which has no timer
    signal, nothing is stopped.

    Args:
        seconds: Seconds from now; infinity for no limit.

    Raises:
        TimeIsUp: The block was stopped.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if not hasattr(signal, "SIGALRM") or seconds == math.inf:
        yield
        return
    _raise_waiting(signal.getsignal(signal.SIGALRM))
    before = signal.signal(signal.SIGALRM, _time_is_up)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, RETRY_SECONDS))
    try:
        yield
    finally:
        handler = signal.getsignal(signal.SIGALRM)
        try:
            _raise_waiting(handler)
        finally:
            signal.signal(signal.SIGALRM, before)


def _raise_waiting(handler: object) -> None:
    """Stop the timer, and raise the KeyboardInterrupt that waited for it with this handler.

    Raises:
        KeyboardInterrupt: There was one.
    """
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    if handler is _raise_or_retry and left > 0:
        raise KeyboardInterrupt


def _time_is_up(_: int, frame: FrameType | None) -> None:
    """Raise TimeIsUp, or try again in a moment.

    Raises:
        TimeIsUp: The running code can be interrupted.
    """
    if not (_in_store_or_destructor(frame) or _in_import(frame)):
        raise TimeIsUp
    signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)


def _first(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt as soon as the running code can be interrupted."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    if not hasattr(signal, "SIGALRM"):  # Windows has no timer signal
        raise KeyboardInterrupt
    signal.setitimer(signal.ITIMER_REAL, 0)  # that of a time limit
    signal.signal(signal.SIGALRM, _raise_or_retry)
    _raise_or_retry(_, frame)


def _raise_or_retry(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or try again in a moment.

    Raises:
        KeyboardInterrupt: The running code can be interrupted.
    """
    if not _in_store_or_destructor(frame):
        raise KeyboardInterrupt
    signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)


def _in_store_or_destructor(frame: FrameType | None) -> bool:
    """Return whether a frame runs inside SQLAlchemy or inside a destructor."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.split(".")[0] == "sqlalchemy" or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _in_import(frame: FrameType | None) -> bool:
    """Return whether a frame runs inside an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
