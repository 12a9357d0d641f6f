"""Live progress of the stages of a command: a bar on a terminal, else up to `LINES` lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from nas_env.wrappers import TrackSearch, Trial
from nas_env_cli.metric_format import MetricFormat, ending
from nas_env_cli.search.timetable import duration

RECENT = 20
LINES = 10
Remaining = Callable[[float], float]  # seconds left of a stage -> seconds left of the command


class StageProgress:
    """Shows the progress of one stage: its name, a bar, a description, and the time left.

    On a terminal the bar uses its width, and the description wraps. Elsewhere there are up to
    `LINES` lines, and one for the last step.

    Args:
        title: Name of the stage.
        total: Number of steps; None if it is not known.
        stream: Output stream; None: standard error.
        remaining: Returns the time left of the whole command from that of the stage; None: only the
            stage is counted.
    """

    draws = True  # a bar on a terminal; False: lines

    def __init__(
        self,
        title: str,
        total: int | None = None,
        stream: TextIO | None = None,
        remaining: Remaining | None = None,
    ) -> None:
        self.title, self.total = title, total
        self.stream = stream or sys.stderr
        self.remaining = remaining
        self._live: Live | None = None
        self._shown = 0

    def update(
        self,
        done: int,
        text: str,
        seconds_left: float | None,
        unit: str,
        share: float,
        last: bool = False,
    ) -> None:
        """Show the progress.

        Args:
            done: Number of finished steps.
            text: Description of the state.
            seconds_left: Seconds until the stage ends; None if they are not known.
            unit: Name of the steps, in the plural.
            share: Finished share of the stage.
            last: Whether the stage is over.
        """
        left = "" if seconds_left is None else self._left(seconds_left)
        of = f"/{self.total}" if self.total else ""
        if self.draws and self.stream.isatty():
            self._draw(f"{done}{of} {unit}", text + left, share)
            return
        every = max(1, (self.total or 100) // LINES)
        if done < self._shown + every and not last:
            return
        self._shown = done
        print(f"{self.title}: {done}{of} {unit}, {text}{left}", file=self.stream, flush=True)

    def close(self) -> None:
        """Close the bar; its last state stays on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _left(self, seconds: float) -> str:
        if self.remaining is None:
            return f", {duration(seconds)} left"
        return f", {duration(self.remaining(seconds))} left in all"

    def _draw(self, count: str, text: str, share: float) -> None:
        bar = Progress(TextColumn(self.title), BarColumn(None), TextColumn(count))
        bar.add_task("", total=1000, completed=round(1000 * share))
        content = Group(bar, Text(f"  {text}", overflow="fold"))
        if self._live is None:
            console = Console(file=self.stream)
            self._live = Live(content, console=console, auto_refresh=False)
            self._live.start()
        self._live.update(content, refresh=True)


class SearchProgress(StageProgress):
    """Shows the number of networks, the best score, the mean of the latest 20, and the time left.

    Args:
        title: Name of the search.
        stream: Output stream; None: standard error.
        remaining: See `StageProgress`.
    """

    def __init__(
        self, title: str, stream: TextIO | None = None, remaining: Remaining | None = None
    ) -> None:
        super().__init__(title, None, stream, remaining)

    def show(self, tracker: TrackSearch, trial: Trial) -> None:
        """Show a trial."""
        self.total = tracker.limits.evaluations
        used = tracker.share
        left = tracker.seconds * (1 - used) / used if used > 0 else None
        over = tracker.finished is not None
        self.update(tracker.evaluations, _describe(tracker, trial), left, "networks", used, over)


class RetrainingProgress(StageProgress):
    """Shows the number of retrained networks, the next one, and the time left."""

    def begin(self, done: int, name: str) -> None:
        """Show that a training begins.

        Args:
            done: Number of finished trainings.
            name: Network and seed of the training that begins.
        """
        if not done:
            self._started = time.monotonic()
        each = (time.monotonic() - self._started) / done if done else None
        left = None if each is None else each * ((self.total or 0) - done)
        self.update(done, f"now {name}", left, "trainings", done / (self.total or 1), not done)


def _describe(tracker: TrackSearch, trial: Trial) -> str:
    inner: Any = tracker.unwrapped
    fmt = MetricFormat.of(inner.task.spec)
    best = tracker.best if tracker.best and tracker.best.evaluation.ok else None
    latest = [x.score for x in tracker.trials[-RECENT:]]
    parts = [f"best {best.score:.4f}" if best else "no best yet"]
    parts.append(f"mean of {len(latest)} {np.mean(latest):.4f}")
    metrics = best.evaluation.metrics if best else {}
    if fmt.metric in metrics:
        digits = ".4f" if fmt.fraction else ".4g"
        parts.append(f"{fmt.words} of best {metrics[fmt.metric]:{digits}}")
    if "params" in metrics:
        parts.append(f"params {metrics['params']:,.0f}")
    if not trial.evaluation.ok:
        parts.append(f"last: {ending(trial.evaluation)}")
    return ", ".join(parts)
