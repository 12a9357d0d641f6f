"""The callback between an agent and the records of its search."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from nas_env.wrappers import TrackSearch
from nas_env_cli.search.events import SearchEvents
from nas_env_cli.search.progress_bar import SearchProgress
from nas_env_cli.search.record import SearchRecord


class SearchCallback(BaseCallback):
    """Logs every trial and stops the agent when the search is over.

    Args:
        tracker: The trials of the search.
        progress: Shows each trial, or None.
        events: Logs each trial to TensorBoard, or None.
        record: Writes the trials into the store, or None.
    """

    def __init__(
        self,
        tracker: TrackSearch,
        progress: SearchProgress | None = None,
        events: SearchEvents | None = None,
        record: SearchRecord | None = None,
    ) -> None:
        super().__init__()
        self.tracker = tracker
        self.record = record
        self.progress = progress
        self.events = events
        self._seen = 0

    def on_step(self) -> bool:
        """Return whether to continue; uses no attribute of the agent, so any agent may call it."""
        return self._on_step()

    def _on_step(self) -> bool:
        self.catch_up()
        return self.tracker.finished is None

    def catch_up(self) -> None:
        """Log and record the new trials; deferred scoring settles several together."""
        if self.record is not None and self._seen < len(self.tracker.trials):
            self.record.catch_up()
        while self._seen < len(self.tracker.trials):
            self._seen += 1
            if self.events is not None:
                self.events.log(self._seen, getattr(self, "model", None))
            if self.progress is not None:
                self.progress.show(self.tracker, self.tracker.trials[self._seen - 1])
