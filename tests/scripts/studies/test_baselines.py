"""`scripts.studies.cases.baselines` chooses on validation; only the choice sees the test split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_env.errors import InvalidDataError
from nas_env.tasks.own_data import DataTask, own_data
from scripts.studies.cases import baselines
from tests.support.made_data import table


def arrays(folder: Path) -> Path:
    """Write images of three classes that overlap."""
    rng, y = np.random.default_rng(0), np.arange(150) % 3
    x = rng.normal(size=(150, 5, 5)) + 0.4 * y[:, None, None]
    np.savez(folder / "mine.npz", x=x, y=y)
    return folder / "mine.npz"


def test_only_what_was_chosen_is_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.svm import SVC

    data, opened, validated = arrays(tmp_path), [], list[float]()
    test, validate = DataTask.test, DataTask.validate

    def counted(self: DataTask, network: Any, **more: Any) -> Any:
        opened.append(network)
        return test(self, network, **more)

    def noted(self: DataTask, network: Any, **more: Any) -> Any:
        metrics = validate(self, network, **more)
        validated.append(metrics["accuracy"])
        return metrics

    monkeypatch.setattr(DataTask, "test", counted)
    monkeypatch.setattr(DataTask, "validate", noted)
    output = tmp_path / "svc.json"
    assert baselines.run(baselines.Options(data, output)) == 0
    model = json.loads(output.read_text())
    assert len(opened) == 1
    assert len(validated) == len(baselines.STRENGTHS) * len(baselines.WIDTHS)
    assert model["validation"] == max(validated) > min(validated)
    strength, width = (float(x.split()[0].rpartition("=")[2]) for x in model["settings"].split(","))

    task = own_data(data)
    x, y = (part.flatten(1).numpy() if part.ndim > 1 else part.numpy() for part in parts(task))
    gamma = width / (x.shape[1] * x.var(dtype=np.float64))
    known = SVC(C=strength, gamma=gamma).fit(x, y)
    for split in ("validation", "test"):
        samples, labels = task._tensors(split, "cpu")
        assert known.score(samples.flatten(1).numpy(), labels.numpy()) == pytest.approx(
            model[split], abs=1e-6
        )


def parts(task: DataTask) -> Any:
    return task.tensors("train")


def test_tables_are_refused(tmp_path: Path) -> None:
    table(60).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(InvalidDataError, match="holds no images with classes"):
        baselines.run(baselines.Options(tmp_path / "mine.csv"))
