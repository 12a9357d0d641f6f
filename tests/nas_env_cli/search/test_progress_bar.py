"""The lines that a search prints while it runs."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nas_env.evaluation import Evaluation, Outcome
from nas_env.tasks import TaskSpec
from nas_env_cli.search.progress_bar import SearchProgress

SPEC = TaskSpec("digits", 1, "image", (1, 8, 8), 10)
SLOW = Evaluation(Outcome.TOO_LARGE, message="Measured 2 ms, limit 1 ms.")


def line(spec: Any, *evaluations: tuple[float, Evaluation]) -> str:
    """Return what is printed after some evaluations."""
    trials = [SimpleNamespace(score=score, evaluation=x) for score, x in evaluations]
    tracker: Any = SimpleNamespace(
        unwrapped=SimpleNamespace(task=SimpleNamespace(spec=spec)),
        limits=SimpleNamespace(evaluations=10),
        trials=trials,
        best=max(trials, key=lambda x: x.score),
        evaluations=len(trials),
        finished=None,
        share=0.0,
    )
    stream = io.StringIO()
    SearchProgress("mine", stream).show(tracker, trials[-1])  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize(
    ("metric", "fraction", "told"),
    [("accuracy", True, "accuracy of best 0.2500"), ("f1", True, "F1 of best 0.1667"),
     ("roc_auc", True, "ROC-AUC of best 0.5000"), ("mse", False, "mse of best 12.35")],
)  # fmt: skip
def test_the_metric_is_that_of_the_task(metric: str, fraction: bool, told: str) -> None:
    metrics = {"accuracy": 0.25, "f1": 1 / 6, "roc_auc": 0.5, "mse": 12.3456}
    spec = replace(SPEC, metric=metric, higher_is_better=fraction)
    text = line(spec, (0.1667, Evaluation(Outcome.OK, metrics)))
    assert f"best 0.1667, mean of 1 0.1667, {told}\n" in text
    assert text.count("of best") == 1


def test_the_mean_is_of_as_many_as_there_are() -> None:
    fine = [(x / 100, Evaluation(Outcome.OK)) for x in range(30)]
    assert "mean of 3 0.0100" in line(SPEC, *fine[:3])
    assert f"mean of 20 {np.mean([x for x, _ in fine[10:]]):.4f}" in line(SPEC, *fine)


def test_a_failure_is_not_the_best() -> None:
    text = line(SPEC, (0.0, SLOW))
    assert text == "mine: 1/10 networks, no best yet, mean of 1 0.0000, last: too slow\n"
