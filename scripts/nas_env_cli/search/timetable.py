"""The time limit of a search command: how it is divided, and how much of it is left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from nas_env.files import write_atomically

COMPARISON, RETRAINING = 0.2, 0.2  # shares of the limit
SKLEARN, FINISH, EXPORT = 0.1, 0.05, 0.1  # scikit-learn, summary, export
MOST_SKLEARN, MOST_FINISH, MOST_EXPORT = 60.0, 4.0, 15.0  # seconds
FILE = "time.json"


@dataclass
class Timetable:
    """The stages of a command with a time limit: search, comparison, retraining, finish.

    A stage may use the time that earlier stages left over. Time of an interrupted command in the
    same folder counts.

    Args:
        seconds: Limit of the whole command; None: no limit.
        compares: Whether random search runs as comparison.
        retrains: Whether networks are retrained.
        exports: Whether the best network is exported.
        fits: Whether models of scikit-learn are fitted for comparison.
        started: Time of the clock when the command started.
        clock: Returns seconds from an arbitrary origin; replaced in tests.
    """

    seconds: float | None
    compares: bool = True
    retrains: bool = True
    exports: bool = False
    fits: bool = False
    started: float = field(default_factory=time.monotonic)
    clock: Callable[[], float] = time.monotonic
    spent_before: float = 0.0

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.seconds is not None

    @property
    def spent(self) -> float:
        """Seconds since the command started, with those of interrupted commands."""
        return self.spent_before + self.clock() - self.started

    @property
    def left(self) -> float:
        """Seconds until the limit; infinity without a limit."""
        return inf if self.seconds is None else max(0.0, self.seconds - self.spent)

    @property
    def comparison(self) -> float:
        """Seconds reserved for random search."""
        return COMPARISON * (self.seconds or 0.0) * self.compares

    @property
    def retraining(self) -> float:
        """Seconds reserved for retraining."""
        return RETRAINING * (self.seconds or 0.0) * self.retrains

    @property
    def finish(self) -> float:
        """Seconds reserved for the summary and the export."""
        total = self.seconds or 0.0
        export = min(EXPORT * total, MOST_EXPORT) * self.exports
        return min(FINISH * total, MOST_FINISH) + export

    @property
    def sklearn(self) -> float:
        """Seconds reserved for models of scikit-learn."""
        return min(SKLEARN * (self.seconds or 0.0), MOST_SKLEARN) * self.fits

    @property
    def end(self) -> float:
        """Seconds reserved for what comes after retraining."""
        return self.sklearn + self.finish

    def for_search(self) -> float:
        """Return the seconds that the search may use from now."""
        return max(0.0, self.left - self.comparison - self.retraining - self.end)

    def for_comparison(self) -> float:
        """Return the seconds that random search may use from now."""
        return max(0.0, self.left - self.retraining - self.end)

    def for_retraining(self) -> float:
        """Return the seconds that retraining may use from now.

        If less than its share is left, it takes the time of scikit-learn.
        """
        instead = min(self.retraining, self.left - self.finish)
        return max(0.0, self.left - self.end, instead)

    def for_sklearn(self) -> float:
        """Return the seconds that models of scikit-learn may use from now."""
        return min(MOST_SKLEARN, max(0.0, self.left - self.finish))

    @contextmanager
    def paused(self, pauses: bool = True) -> Iterator[None]:
        """Stop the clock during a block, for work whose time was counted before.

        Args:
            pauses: If False, the clock runs on.
        """
        begun = self.clock()
        try:
            yield
        finally:
            self.started += (self.clock() - begun) * pauses

    def text(self) -> str:
        """Return how the time is divided, such as "6 min search, 2 min comparison"."""
        stages = {
            "search": self.for_search(),
            "comparison": self.comparison,
            "retraining": self.retraining,
            "scikit-learn": self.sklearn,
            "summary and export" if self.exports else "summary": self.finish,
        }
        parts = [f"{duration(x)} {name}" for name, x in stages.items() if x > 0]
        return f"time limit {duration(self.seconds or 0.0)}: {', '.join(parts)}"

    def read(self, folder: Path) -> None:
        """Add the time that an interrupted command spent in a run folder."""
        file = folder / FILE
        if file.is_file():
            self.spent_before = float(json.loads(file.read_text(encoding="utf-8"))["spent"])

    def write(self, folder: Path) -> None:
        """Write the time spent so far into a run folder."""
        if self.limited:
            data = {"limit": self.seconds, "spent": round(self.spent, 3)}
            write_atomically(folder / FILE, json.dumps(data, indent=2))


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours.

    Example:
        >>> [duration(x) for x in (4.4, 95, 360, 9000)]
        ['4 s', '95 s', '6 min', '2.5 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.2g} h"
