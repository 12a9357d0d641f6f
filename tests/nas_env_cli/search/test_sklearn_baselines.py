"""Models of scikit-learn beside a search on a table."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from nas_env.tasks import TASKS
from nas_env.tasks.own_data import METRICS, own_data
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.search import sklearn_table
from nas_env_cli.search.sklearn_baselines import (
    Baseline,
    Baselines,
    Setting,
    best,
    fit,
    fit_baselines,
    settings_for,
    training_rows,
)
from tests.support.hidden_packages import hide

CASES = [(problem, metric) for problem, names in METRICS.items() for metric in names]
RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, size=(240, 4))
LABELS = (X[:, 0] > 3).astype(int) + (X[:, 1] * X[:, 0] > 12)
NUMBERS = 100 + 5 * X[:, 0] + RNG.normal(size=240)


def task_of(problem: str, metric: str | None = None, **how: Any) -> Any:
    y = LABELS if problem == "classification" else NUMBERS
    return own_data({"x": X, "y": y}, problem=problem, metric=metric, **how)


def by_sklearn(task: Any, setting: Setting, split: str) -> float:
    """Return the metric of a model from scikit-learn's own functions."""
    metric = task.spec.metric
    weight = "balanced" if metric == "balanced_accuracy" else None
    loss = "absolute_error" if metric == "mae" else "squared_error"
    models = {
        "logistic regression": LogisticRegression(
            C=setting.value, max_iter=1000, class_weight=weight
        ),
        "ridge regression": Ridge(1 / setting.value),
        "HistGradientBoosting": HistGradientBoostingClassifier(
            learning_rate=setting.value, random_state=0, class_weight=weight
        )
        if task.spec.problem == "classification"
        else HistGradientBoostingRegressor(learning_rate=setting.value, random_state=0, loss=loss),
    }
    train = task._split("train")
    model: Any = models[setting.name].fit(train.x, train.y)
    part, y = task._split(split), task.data.y[task.data.rows[split]]
    predicted = model.predict(part.x)
    if metric in ("mse", "mae"):
        numbers = predicted * task.target_sd + task.target_mean
        measure = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}[metric]
        return float(getattr(sklearn_metrics, measure)(y, numbers))
    if metric == "roc_auc":
        shares = model.predict_proba(part.x)
        return float(sklearn_metrics.roc_auc_score(y, shares, multi_class="ovr"))
    if metric == "f1":
        return float(sklearn_metrics.f1_score(y, predicted, average="macro"))
    return float(getattr(sklearn_metrics, f"{metric}_score")(y, predicted))


@pytest.mark.parametrize(("problem", "metric"), CASES)
def test_values_are_those_of_scikit_learn(problem: str, metric: str) -> None:
    task = task_of(problem, metric)
    for setting in settings_for(problem):
        baseline = fit(task, setting, *training_rows(task, 10**6), test=True)
        assert baseline.validation == pytest.approx(
            by_sklearn(task, setting, "validation"), rel=1e-5
        )
        assert baseline.test == pytest.approx(by_sklearn(task, setting, "test"), rel=1e-5)


@pytest.mark.parametrize("problem", METRICS)
def test_the_setting_is_chosen_on_validation(problem: str) -> None:
    task = task_of(problem)
    baselines = fit_baselines(task, test=True)
    assert baselines is not None and baselines.notes == ()
    every = [fit(task, x, *training_rows(task, 10**6), test=True) for x in settings_for(problem)]
    sign = 1 if problem == "classification" else -1
    for model in baselines.models:
        fits = [x for x in every if x.name == model.name]
        chosen = max(fits, key=lambda x: sign * x.validation)
        found = model.settings, model.validation, model.test
        assert found == (chosen.settings, chosen.validation, chosen.test)
    assert len(baselines.models) == 2


def test_the_test_split_is_read_only_where_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of("classification")
    monkeypatch.setattr(task, "test", None)  # a call would fail
    rows = training_rows(task, 10**6)
    assert all(fit(task, x, *rows, False).test is None for x in settings_for("classification"))


def test_more_than_fits_in_memory_gives_the_same_models() -> None:
    whole, streamed = task_of("regression"), task_of("regression", max_memory_mb=0.001)
    assert whole.data.in_memory and not streamed.data.in_memory
    for setting in settings_for("regression"):
        values = [
            fit(task, setting, *training_rows(task, 10**6), True) for task in (whole, streamed)
        ]
        assert values[0].validation == pytest.approx(values[1].validation, rel=1e-6)
        assert values[0].test == pytest.approx(values[1].test, rel=1e-6)


def test_large_data_are_subsampled_with_a_note() -> None:
    task = task_of("regression")
    x, y = training_rows(task, 30)
    again, _ = training_rows(task, 30)
    assert x.shape == (30, 4) and y.shape == (30,) and np.array_equal(x, again)
    every, _ = training_rows(task, 10**6)
    assert len(every) == task.spec.sizes[0] and {*map(bytes, x)} <= {*map(bytes, every)}
    baselines = fit_baselines(task, most_values=30 * 4)
    assert baselines is not None
    assert baselines.notes == (f"scikit-learn was fitted on 30 of {len(every)} rows.",)
    fits = [fit(task, setting, x, y, False) for setting in settings_for("regression")]
    for model in baselines.models:
        chosen = best([x for x in fits if x.name == model.name], higher_is_better=False)
        assert model.validation == chosen.validation


def test_what_does_not_fit_the_time_is_left_out_with_a_note() -> None:
    baselines = fit_baselines(task_of("classification"), seconds=0.01)
    assert baselines is not None and baselines.models == ()
    (note,) = baselines.notes
    assert note.startswith(
        "Left out of scikit-learn's models, because their 0.01 seconds were over: "
    )
    assert all(f"{x.name} ({x.text})" in note for x in settings_for("classification"))


def test_only_tables_of_users_are_compared() -> None:
    assert fit_baselines(TASKS.get("wine")()) is None
    images = {"x": np.zeros((60, 1, 4, 4)) + np.arange(60).reshape(-1, 1, 1, 1)}
    assert fit_baselines(own_data({**images, "y": np.arange(60) % 2})) is None


def test_without_scikit_learn_a_note_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of("classification")
    hide(monkeypatch, "sklearn")
    baselines = fit_baselines(task)
    assert baselines == Baselines(
        notes=(
            "The comparison with scikit-learn needs scikit-learn, which is not installed. Run: "
            'pip install "nas-env[data]".',
        )
    )


def test_a_failed_fit_is_said() -> None:
    task = task_of("classification")
    task.data.x[:] = np.inf  # as if the data were damaged after reading
    task.mean, task.sd = np.zeros(4, np.float32), np.ones(4, np.float32)
    baselines = fit_baselines(task)
    assert baselines is not None
    assert any("scikit-learn's logistic regression (C=1) failed: " in x for x in baselines.notes)


VALUES = (0.5, 0.75, 0.9)
SPLITS = ((), (0.75,), (0.7, 0.8))


@pytest.mark.parametrize(
    ("linear", "trees", "test", "fraction"),
    list(product(VALUES, VALUES, SPLITS, (True, False))),
)
def test_a_sentence_says_which_models_are_better(
    linear: float, trees: float, test: tuple[float, ...], fraction: bool
) -> None:
    fmt = MetricFormat("accuracy" if fraction else "mae", fraction)
    models = [
        Baseline(name, "x", value, value if test else None, 1.0)
        for name, value in (("ridge regression", linear), ("HistGradientBoosting", trees))
    ]
    data = Baselines(tuple(models)).to_json()
    (line,) = sklearn_table.verdicts(data, fmt, 0.75, test)
    better = [x.name for x in models if (x.validation - 0.75) * (1 if fraction else -1) > 0]
    own = "75.00 %" if fraction else "0.75"
    own += ", mean of 2 seeds" if len(test) == 2 else ""
    assert line.startswith(f"By {'test' if test else 'validation'} {fmt.words}, ")
    assert ("no model of scikit-learn is better" in line) == (not better)
    if better:
        verb = "is" if len(better) == 1 else "are"
        assert line.endswith(f" {verb} better than the kept network ({own}).")
        assert all((x.name in line) == (x.name in better) for x in models)
    else:
        assert f"better than the kept network ({own}): " in line
        assert all(x.name in line for x in models)


def test_nothing_is_said_of_nothing() -> None:
    assert sklearn_table.verdicts(Baselines().to_json(), MetricFormat(), 0.7, ()) == []
    one = Baselines((Baseline("HistGradientBoosting", "x", 0.9, None, 1.0),)).to_json()
    assert sklearn_table.verdicts(one, MetricFormat(), None, ()) == []
