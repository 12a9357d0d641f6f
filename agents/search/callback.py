"""The callback between an agent and the books of its search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image

from agents.q_learning import QLearning
from agents.search.progress import Progress
from agents.search.q_table import draw_q, picture_of
from agents.search.record import SearchRecord
from nas_env.rendering import draw, rgb_array
from nas_env.wrappers import TrackSearch, Trial

RECENT = 20
TABLES = 5  # pictures of a Q-table in a search, at equal shares of its limit


class SearchCallback(BaseCallback):
    """Logs every trial and stops the agent when the search is over.

    TensorBoard gets, with environment steps as x-axis, the return, best score, unique networks and
    share of illegal actions under "search/", the drawing of each new best, a picture of a tabular
    agent's Q-table at each fifth of the limit, and what the agent itself logs under "train/".
    """

    def __init__(
        self,
        tracker: TrackSearch,
        progress: Progress | None = None,
        draw_best: bool = False,
        record: SearchRecord | None = None,
    ) -> None:
        super().__init__()
        self.tracker = tracker
        self.record = record
        self.progress = progress
        self.draw_best = draw_best
        self._seen = 0
        self._drawn: Trial | None = None
        self._tables_drawn = 0

    def _on_step(self) -> bool:
        self.catch_up()
        return self.tracker.finished is None

    def catch_up(self) -> None:
        """Log and record the trials that are new: many where they were settled together."""
        if self.record is not None and self._seen < len(self.tracker.trials):
            self.record.catch_up()
        while self._seen < len(self.tracker.trials):
            trial = self.tracker.trials[self._seen]
            self._seen += 1
            if self.logger.output_formats:
                self._log(trial)
            if self.progress is not None:
                self.progress.show(self.tracker, trial)

    def _log(self, trial: Trial) -> None:
        tracker, best, number = self.tracker, self.tracker.best, self._seen
        recent = [x.score for x in tracker.trials[max(0, number - RECENT) : number]]
        self.logger.record("search/return", trial.score)
        self.logger.record("search/mean_score_of_20", float(np.mean(recent)))
        self.logger.record("search/unique_networks", trial.distinct)
        self.logger.record("search/repeats", number - trial.distinct)
        self.logger.record("search/illegal_share", tracker.illegal_share)
        if best is not None:
            self.logger.record("search/best_score", best.score)
        if self.draw_best and best is not None and best is not self._drawn:
            self._drawn = best
            self._draw(best)
        if self.draw_best and self.tracker.share >= (self._tables_drawn + 1) / TABLES:
            self._draw_table()
        self.logger.dump(self.num_timesteps)

    def _draw_table(self) -> None:
        agent: object = self.model
        if isinstance(agent, QLearning):
            self._tables_drawn = int(self.tracker.share * TABLES)
            picture = rgb_array(draw_q(picture_of(agent)))
            self._record("search/q_table", picture)

    def _draw(self, best: Trial) -> None:
        spec = self.tracker.unwrapped.task.spec  # type: ignore[attr-defined]
        title = f"network {best.evaluations}, score {best.score:.4f}"
        training = best.candidate.recipe.changes()
        picture = rgb_array(draw(best.candidate.architecture, spec, title, training=training))
        self._record("search/best_network", picture)

    def _record(self, name: str, picture: NDArray[np.uint8]) -> None:
        image = Image(picture, "HWC")
        self.logger.record(name, image, exclude=("stdout", "log", "json", "csv"))
