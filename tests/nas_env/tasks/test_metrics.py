"""Metrics of the training loop are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics

from nas_env.tasks._metrics import balanced_accuracy, macro_f1, roc_auc
from nas_env.tasks._problems import Classification, Regression

ALL = ("accuracy", "balanced_accuracy", "f1", "roc_auc")


def drawn(classes: int, seed: int, count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits with ties, and unbalanced classes that they tell something of."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, classes + 1) ** 2
    y = np.concatenate([np.arange(classes), rng.choice(classes, count, p=weights / weights.sum())])
    logits = np.rint(rng.normal(size=(len(y), classes)) + 1.5 * np.eye(classes)[y])
    return torch.tensor(logits, dtype=torch.float32), torch.tensor(y)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_classification_agrees_with_scikit_learn(classes: int, seed: int) -> None:
    logits, y = drawn(classes, seed)
    named, probabilities = logits.argmax(1), logits.double().softmax(1)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    assert balanced_accuracy(logits, y) == pytest.approx(metrics.balanced_accuracy_score(y, named))
    assert macro_f1(logits, y) == pytest.approx(metrics.f1_score(y, named, average="macro"))
    assert roc_auc(logits, y) == pytest.approx(metrics.roc_auc_score(y, scores, multi_class="ovr"))
    found = Classification(ALL).measure(zip(logits.split(64), y.split(64), strict=True))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, named))
    assert found["loss"] == pytest.approx(metrics.log_loss(y, probabilities), rel=1e-5)
    assert found["f1"] == macro_f1(logits, y)
    assert set(found) == {*ALL, "loss"}


def test_classes_that_do_not_occur_count_for_nothing() -> None:
    logits, y = drawn(4, 0)
    without = y != 2
    logits, y = logits[without], y[without]
    named = logits.argmax(1)
    recalls = metrics.recall_score(y, named, labels=[0, 1, 3], average=None)
    assert balanced_accuracy(logits, y) == pytest.approx(recalls.mean())
    assert macro_f1(logits, y) == pytest.approx(metrics.f1_score(y, named, average="macro"))
    areas = [metrics.roc_auc_score(y == c, logits.double().softmax(1)[:, c]) for c in (0, 1, 3)]
    assert roc_auc(logits, y) == pytest.approx(np.mean(areas))


def test_one_class_alone_has_the_area_of_chance() -> None:
    assert roc_auc(torch.randn(9, 2), torch.ones(9, dtype=torch.int64)) == 0.5


def test_regression_agrees_with_scikit_learn_in_the_targets_own_unit() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(70, 12, 300)
    mean, sd = y.mean(), y.std()
    predicted = y + rng.normal(0, 5, 300)
    columns = [torch.tensor((x - mean) / sd, dtype=torch.float32) for x in (predicted, y)]
    parts = zip(columns[0][:, None].split(64), columns[1].split(64), strict=True)
    found = Regression(sd).measure(parts)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(y, predicted), rel=1e-4)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, predicted), rel=1e-4)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, predicted), rel=1e-4)
    assert found["loss"] == pytest.approx(found["mse"] / sd**2)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_r2_of_equal_targets_is_that_of_scikit_learn(shift: float, expected: float) -> None:
    y = torch.ones(5)
    assert Regression(2.0).measure([((y + shift)[:, None], y)])["r2"] == expected
    assert metrics.r2_score(y, y + shift) == expected
