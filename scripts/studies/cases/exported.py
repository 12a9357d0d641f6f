"""Whether an exported network scores on the validation split as the search evaluated it.

The exported file runs in a process that cannot import this package. It reads the samples as they
are in the user's data.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas_env.errors import NASError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.objectives.metric import TaskMetric
from nas_env.sources.base import ReadOptions
from nas_env.sources.reading import samples_of
from nas_env.tasks._loop import MEASURE_BATCH
from nas_env.tasks.own_data import DataTask

# Runs where nothing but torch, numpy and Pillow can be imported.
PROGRAM = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("nas_env", "nas_env_agents", "nas_env_cli", "pandas", "sklearn"):
            raise ImportError(f"{name} is refused")
sys.meta_path.insert(0, Refuse())
import json
import pathlib
import numpy
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import network
raw = pathlib.Path(sys.argv[2])
samples = numpy.load(raw) if raw.suffix == ".npy" else network.encode(json.loads(raw.read_text()))
loaded = network.load()
inputs = network.preprocess(samples)
if inputs.ndim == 4:
    inputs = inputs.contiguous(memory_format=torch.channels_last)
with torch.inference_mode():
    outputs = [loaded(part) for part in inputs.split(int(sys.argv[3]))]
torch.save(torch.cat(outputs), sys.argv[4])
"""


def exported_score(task: DataTask, data: Path, folder: Path) -> float:
    """Return the validation score of an exported network on the user's samples.

    Args:
        task: The task of the search.
        data: The data of the search.
        folder: The export.

    Raises:
        NASError: The exported file failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        raw = _write_raw(data, task.data.rows["validation"], task.data.target, Path(temporary))
        outputs = Path(temporary) / "outputs.pt"
        words = [folder.resolve(), raw, MEASURE_BATCH, outputs]
        command = [sys.executable, "-I", "-c", PROGRAM, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NASError(f"{folder}/network.py failed: {done.stderr.strip()[-500:]}")
        answers = torch.load(outputs, weights_only=True)
    y = task.tensors("validation")[1]
    parts = [slice(x, x + MEASURE_BATCH) for x in range(0, len(y), MEASURE_BATCH)]
    metrics = task.problem.measure((answers[part].float(), y[part]) for part in parts)
    return TaskMetric.of(task.spec).score(Evaluation(Outcome.OK, metrics))


def _write_raw(data: Path, rows: Any, target: str, folder: Path) -> Path:
    """Write samples as the user has them: an array, paths of images, or rows of a table."""
    if data.suffix == ".npz":
        with np.load(data) as arrays:
            x = np.concatenate([arrays["x_train"], arrays["x_test"]])[rows]
        np.save(folder / "raw.npy", x[:, None] if x.ndim == 3 else x)
        return folder / "raw.npy"
    raw: list[Any]
    if data.is_dir():
        where = samples_of(data, ReadOptions()).where
        raw = [str(Path(where(int(row))).resolve()) for row in rows]
    else:
        import pandas

        read = pandas.read_csv if data.suffix == ".csv" else pandas.read_parquet
        part = read(data).iloc[rows].drop(columns=target).astype(object)
        raw = part.where(part.notna(), None).to_dict("records")
    (folder / "raw.json").write_text(json.dumps(raw, default=lambda x: x.item()), "utf-8")
    return folder / "raw.json"
