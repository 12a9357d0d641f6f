"""TensorBoard events of a search: curves, images, texts and rows of HParams.

The x-axis is always evaluations, also for values that the agent logs: the networks charged to the
search so far. Environment steps would stretch long networks, and episodes differ between agents
that edit and agents that append.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from nas_env.evaluators import Cached
from nas_env.evaluators.base import Evaluator, EvaluatorWrapper
from nas_env.rendering import draw, rgb_array, text_table
from nas_env.wrappers import TrackSearch, Trial
from nas_env_cli.search.network_rows import NetworkRows, scalars
from nas_env_cli.search.policy_table import picture_of_agent
from nas_env_cli.search.q_table import draw_q

RECENT = 20
TABLES = 5  # heat maps of the agent in a search, at equal shares of the limit
HEAT_MAPS = {"Q-value": "search/q_values", "probability": "search/policy"}

_excepthook = threading.excepthook


class OverEvaluations(TensorBoardOutputFormat):
    """Writes the log of an agent against evaluations instead of its own steps.

    Args:
        writer: The writer of the event files.
        tracker: The trials of the search.
    """

    def __init__(self, writer: SummaryWriter, tracker: TrackSearch) -> None:
        self.writer = writer
        self.tracker = tracker
        self._is_closed = False

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Write values; `step` is ignored."""
        super().write(key_values, key_excluded, self.tracker.charged)


class SearchEvents:
    """The event files of a search.

    TensorBoard gets, under "search/": of each trial the score, the return (rewards of its episode
    so far), the best score so far, the mean score of the latest twenty, its parameters and seconds
    of training where it has them, the counts of unique, repeated and failed networks and of answers
    of the store so far, and the share of illegal actions; of each new best the drawing and the
    layers as text; of an agent with Q-values or a policy a heat map at each fifth of the limit; and
    each network as a row of HParams, see `NetworkRows`.

    The rows are in FOLDER/networks/AGENT, everything else in FOLDER/search/AGENT: TensorBoard
    takes each row for a run, and disables all runs if there are many.

    Drawings are those of `nas_env.rendering`: the layout of the SVG drawn with matplotlib's Agg,
    because TensorBoard shows raster images only, and an SVG renderer would be another dependency.
    A resumed search starts again at its first evaluation; the events of the earlier process are
    then hidden.

    Args:
        folder: Folder of the event files of all agents, in an existing folder.
        tracker: The trials of the search.
        agent: Name of the agent.
    """

    def __init__(self, folder: Path, tracker: TrackSearch, agent: str) -> None:
        inner: Any = tracker.unwrapped
        self.tracker = tracker
        _hide_errors_of_writers()
        folder.mkdir(exist_ok=True)  # without parents: the folder of the run may have vanished
        own = str(folder / "search" / agent)
        self.writer: Any = SummaryWriter(own, purge_step=1)
        self.logger = Logger(own, [OverEvaluations(self.writer, tracker)])
        self.rows = NetworkRows(folder / "networks" / agent, inner.space, agent)
        self._best: Trial | None = None
        self._failed = 0
        self._tables = 0

    def log(self, number: int, agent: object) -> None:
        """Log a trial by its number, from 1, and the agent's log since the previous trial."""
        trial = self.tracker.trials[number - 1]
        self._failed += not trial.evaluation.ok
        if trial.best:
            self._best = trial
            self._log_best(trial)
        curves = Summary(value=scalars(self._curves(number, trial)))  # ten times faster than ten
        self.writer.file_writer.add_summary(curves, trial.evaluations)
        self.rows.write(trial)
        if self.tracker.share >= (self._tables + 1) / TABLES:
            self._log_table(agent, number, trial)
        self.logger.dump(trial.evaluations)  # flushes too

    def close(self) -> None:
        """Write pending events and close the files."""
        self.logger.dump()
        self.logger.close()

    def _curves(self, number: int, trial: Trial) -> Mapping[str, float]:
        """Return the curves' values at a trial."""
        recent = self.tracker.trials[max(0, number - RECENT) : number]
        values = {
            "score": trial.score,
            "return": trial.rewards,
            "mean_score_of_20": float(np.mean([x.score for x in recent])),
            "unique_networks": trial.distinct,
            "repeats": number - trial.distinct,
            "failed": self._failed,
            "from_store": answered(self.tracker.unwrapped.evaluator),  # type: ignore[attr-defined]
            "illegal_share": self.tracker.illegal_share,
            "seconds": trial.evaluation.seconds,
        }
        if "params" in trial.evaluation.metrics:
            values["params"] = trial.evaluation.metrics["params"]
        if self._best is not None:
            values["best_score"] = self._best.score
        return {f"search/{name}": value for name, value in values.items()}

    def _log_best(self, best: Trial) -> None:
        spec = self.tracker.unwrapped.task.spec  # type: ignore[attr-defined]
        title = f"network {best.evaluations}, score {best.score:.4f}"
        training, network = best.candidate.recipe.changes(), best.candidate.architecture
        self._add_picture(
            "search/best_network", draw(network, spec, title, training=training), best
        )
        table = text_table(network, spec, training=training)
        lines = [title, "", *(f"    {line}" for line in table.splitlines())]
        self._add("text", "search/best_layers", "\n".join(lines), best)

    def _log_table(self, agent: object, number: int, trial: Trial) -> None:
        self._tables = int(self.tracker.share * TABLES)
        walks = [x.walk for x in self.tracker.trials[:number]]
        picture = picture_of_agent(agent, self.tracker, walks)
        if picture is not None:
            self._add_picture(HEAT_MAPS[picture.quantity], draw_q(picture), trial)

    def _add_picture(self, name: str, figure: Any, trial: Trial) -> None:
        picture: NDArray[np.uint8] = rgb_array(figure)
        self._add("image", name, picture, trial, dataformats="HWC")

    def _add(self, kind: str, name: str, value: Any, trial: Trial, **settings: Any) -> None:
        getattr(self.writer, f"add_{kind}")(name, value, trial.evaluations, **settings)


def _hide_errors_of_writers() -> None:
    """Prevent tracebacks of TensorBoard's threads: the next call of the writer raises the error."""
    if threading.excepthook is not _without_writers:
        global _excepthook
        _excepthook, threading.excepthook = threading.excepthook, _without_writers


def _without_writers(error: threading.ExceptHookArgs) -> None:
    is_of_disk = isinstance(error.exc_value, OSError)
    if not (is_of_disk and type(error.thread).__module__.startswith("tensorboard.")):
        _excepthook(error)


def answered(evaluator: Evaluator) -> int:
    """Return the number of evaluations from the store so far; 0 without a cache."""
    while isinstance(evaluator, EvaluatorWrapper):
        if isinstance(evaluator, Cached):
            return evaluator.answered
        evaluator = evaluator.evaluator
    return 0
