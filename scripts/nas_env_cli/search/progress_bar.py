"""Live progress of a search: a bar on a terminal, else up to `LINES` lines."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from nas_env.wrappers import TrackSearch, Trial
from nas_env_cli.metric_format import MetricFormat, ending

RECENT = 20
LINES = 10


class SearchProgress:
    """Shows the number of networks, the best score, the mean of the latest 20, and the time left.

    Args:
        title: Name of the search, at the start of the line.
        stream: Output stream; None: standard error.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.stream = stream or sys.stderr
        self._bar: tqdm[None] | None = None
        self._shown = 0

    def show(self, tracker: TrackSearch, trial: Trial) -> None:
        """Show a trial."""
        if self.stream.isatty():
            self._show_bar(tracker, trial)
        else:
            self._show_line(tracker, trial)

    def close(self) -> None:
        """Close the bar; its last state stays on the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show_bar(self, tracker: TrackSearch, trial: Trial) -> None:
        if self._bar is None:
            total = tracker.limits.evaluations
            self._bar = tqdm(
                total=total, desc=self.title, unit="net", file=self.stream, dynamic_ncols=True
            )
        self._bar.set_postfix_str(_describe(tracker, trial), refresh=False)
        self._bar.update(tracker.evaluations - self._bar.n)

    def _show_line(self, tracker: TrackSearch, trial: Trial) -> None:
        limit = tracker.limits.evaluations
        every = max(1, (limit or 100) // LINES)
        if tracker.evaluations < self._shown + every and tracker.finished is None:
            return
        self._shown = tracker.evaluations
        used = tracker.share
        remaining = f", {tracker.seconds * (1 - used) / used:.0f} s left" if used > 0 else ""
        of = f"/{limit}" if limit else ""
        text = f"{self.title}: {tracker.evaluations}{of} networks, {_describe(tracker, trial)}"
        print(text + remaining, file=self.stream, flush=True)


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
