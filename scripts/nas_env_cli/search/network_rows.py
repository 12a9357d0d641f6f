"""Networks of a search as rows of TensorBoard's HParams: decisions and metrics.

TensorBoard needs one run, a folder with an event file, for each row. The files are written with the
record writer of TensorBoard, because summary writers start a thread for each file.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from nas_env.spaces import SearchSpace
from nas_env.wrappers import Trial
from nas_env_cli.search.labels import Labels

ROWS = 1000  # after this many rows, only new best networks get a row
COLUMNS = 20  # maximum decisions with a column
MISSING = "-"  # after the end of a walk; TensorBoard does not draw rows with empty cells
FILE = "events.out.tfevents.row"


class NetworkRows:
    """Writes a row for each of the first 1,000 different networks, and for each later new best.

    Columns are "agent", "decision 01" and so on up to the longest walk (at most 20), with "-" after
    the end of a walk. Metrics are the score, the training seconds, and the parameters if known;
    values that are not finite are left out. A failed network has the status "failure". The folder
    of a row has the number of the network as its name, so a resumed search overwrites it.

    Args:
        folder: Parent folder of the rows.
        space: The space of the walks.
        agent: Name of the agent.
    """

    def __init__(self, folder: Path, space: SearchSpace, agent: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.agent = agent
        self._labels = Labels(space)
        self._columns = min(space.max_length, COLUMNS)

    def write(self, trial: Trial) -> None:
        """Write the row of a network if it is new to the search."""
        if not trial.new or (trial.distinct > ROWS and not trial.best):
            return
        now, metrics = time.time(), trial.evaluation.metrics
        numbers = {"score": trial.score, "seconds": trial.evaluation.seconds}
        if "params" in metrics:
            numbers["params"] = metrics["params"]
        began = plugin_data_pb2.SessionStartInfo(start_time_secs=now - trial.evaluation.seconds)
        for name, value in self.decisions(trial).items():
            began.hparams[name].string_value = value
        status = api_pb2.STATUS_SUCCESS if trial.evaluation.ok else api_pb2.STATUS_FAILURE
        ended = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=now)
        data = plugin_data_pb2.HParamsPluginData
        values = [
            _hparams(metadata.SESSION_START_INFO_TAG, data(session_start_info=began)),
            *scalars(numbers),
            _hparams(metadata.SESSION_END_INFO_TAG, data(session_end_info=ended)),
        ]
        folder = self.folder / f"{trial.distinct:06d}"
        folder.mkdir(exist_ok=True)  # without parents: the folder of the run may have vanished
        (folder / FILE).write_bytes(_records(values, trial.evaluations, now))

    def decisions(self, trial: Trial) -> dict[str, str]:
        """Return the value of each column."""
        words = self._labels.of(trial.walk[: self._columns])
        words += [MISSING] * (self._columns - len(words))
        columns = {f"decision {place:02d}": word for place, word in enumerate(words, 1)}
        return {"agent": self.agent, **columns}


def scalars(numbers: Mapping[str, float]) -> list[Summary.Value]:
    """Return summaries of the finite numbers; others would spoil the axis of all rows."""
    return [
        Summary.Value(tag=name, simple_value=value)
        for name, value in numbers.items()
        if math.isfinite(value)
    ]


def _hparams(tag: str, content: plugin_data_pb2.HParamsPluginData) -> Summary.Value:
    described = metadata.create_summary_metadata(content)
    return Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)


def _records(values: list[Summary.Value], step: int, now: float) -> bytes:
    """Return an event file: its version, and one event."""
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    event = Event(wall_time=now, step=step, summary=Summary(value=values))
    writer.write(event.SerializeToString())
    return file.getvalue()
