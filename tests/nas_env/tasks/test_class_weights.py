"""Class weights in the training loss: their values, when there are some, and what they change."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score
from sklearn.utils.class_weight import compute_class_weight

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Budget
from nas_env.evaluators.training import Training
from nas_env.tasks._class_weights import MAX_RATIO, balanced_weights, weights_in_words
from nas_env.tasks._problems import Classification
from nas_env.tasks.own_data import METRICS, own_data
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.saved_options import to_json
from nas_env_cli.search.user_data import read_task_again, read_user_data

COUNTS = st.lists(st.integers(1, 1000), min_size=2, max_size=8)
NETWORK = Candidate(Architecture((Layer.of("linear", units=16),)), Recipe(batch_size=32))


@given(COUNTS)
def test_weights_are_those_of_scikit_learn(counts: list[int]) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=y)
    assert balanced_weights(counts) == pytest.approx(expected)


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=6).filter(any))
def test_weights_have_mean_one_and_a_limited_ratio(counts: list[int]) -> None:
    weights = balanced_weights(counts)
    assert np.dot(weights, counts) / sum(counts) == pytest.approx(1)
    present = [(x, count) for x, count in zip(weights, counts, strict=True) if count]
    assert all(x == 0 for x, count in zip(weights, counts, strict=True) if not count)
    for (a, few), (b, many) in product(present, repeat=2):
        assert a <= MAX_RATIO * b * (1 + 1e-9)
        assert few > many or a >= b, "a rarer class never has the smaller weight"


@given(
    counts=COUNTS,
    smoothing=st.sampled_from([0.0, 0.1, 0.3]),
    seed=st.integers(0, 99),
    batch=st.integers(1, 40),
)
def test_the_loss_is_the_weighted_mean_with_label_smoothing(
    counts: list[int], smoothing: float, seed: int, batch: int
) -> None:
    rng, classes = np.random.default_rng(seed), len(counts)
    logits, y = rng.normal(size=(batch, classes)), rng.integers(0, classes, batch)
    weights = np.asarray(balanced_weights(counts))
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    targets = (1 - smoothing) * np.eye(classes)[y] + smoothing / classes
    expected = (-(targets * log).sum(1) * weights[y]).mean()
    outputs, labels = torch.tensor(logits, dtype=torch.float32), torch.tensor(y)
    problem = Classification(class_weights=tuple(weights))
    assert problem.loss(outputs, labels, smoothing).item() == pytest.approx(expected, rel=1e-4)
    equal = Classification(class_weights=(1.0,) * classes)
    plain = Classification().loss(outputs, labels, smoothing).item()
    assert equal.loss(outputs, labels, smoothing).item() == pytest.approx(plain, rel=1e-5)
    parts = [(outputs, labels)]
    assert problem.measure(parts) == Classification().measure(parts), "measured without weights"


@given(COUNTS)
def test_the_baseline_is_the_loss_of_equal_probabilities(counts: list[int]) -> None:
    y = torch.tensor(np.repeat(np.arange(len(counts)), counts))
    problem = Classification(class_weights=balanced_weights(counts))
    guess = problem.loss(torch.zeros(len(y), len(counts)), y, 0.0).item()
    assert problem.baseline_loss(y) == pytest.approx(guess, rel=1e-4)
    assert problem.baseline_loss(y) == pytest.approx(math.log(len(counts)))


def table(ratio: int, count: int = 1000, seed: int = 1000) -> dict[str, Any]:
    """Return two overlapping classes; class 1 is rare."""
    rng = np.random.default_rng(seed)
    y = (np.arange(count) % (ratio + 1) == 0).astype(int)
    x = rng.normal(size=(count, 4)).astype(np.float32)
    x[:, 0] += 1.5 * y
    return {"x": x, "y": y}


@pytest.mark.parametrize(
    ("metric", "requested", "ratio"),
    list(product(METRICS["classification"], ["auto", True, False], [1, 3, 20])),
)
def test_classes_have_weights_where_they_are_requested(
    metric: str, requested: Any, ratio: int
) -> None:
    data = table(ratio)
    task = own_data(data, metric=metric, class_weights=requested)
    plain = own_data(data, metric=metric, class_weights=False)
    wanted = metric == "balanced_accuracy" if requested == "auto" else requested
    weighted = bool(wanted) and ratio > 1
    assert (task.class_weights is not None) is weighted
    assert (task.fingerprint != plain.fingerprint) is weighted
    assert task.data_hash == plain.data_hash and task.preprocessing == plain.preprocessing
    text = task.summary.text()
    assert ("Each class has a weight in the training loss" in text) is weighted
    because = ", because the metric is balanced accuracy."
    assert (because in text) is (weighted and metric == "balanced_accuracy")
    if weighted:
        counts = np.bincount(data["y"][task.data.rows["train"]])
        assert task.class_weights == balanced_weights(counts)
        assert f"{counts.sum() / 2 / counts[1]:.3g} (1)" in text


def test_the_summary_says_that_weights_are_limited() -> None:
    data = {
        f"{name}_{split}": value
        for split in ("train", "val", "test")
        for name, value in table(3, 40).items()
    }
    data |= {"x_train": np.random.default_rng(1000).normal(size=(3000, 4)).astype(np.float32)}
    data |= {"y_train": np.r_[np.zeros(2999, int), 1]}
    text = own_data(data, metric="balanced_accuracy").summary.text()
    assert "; weights differ by at most a factor of 1,000." in text


def test_regression_and_other_values_are_refused() -> None:
    numbers = {**table(3), "y": np.linspace(0, 1, 1000)}
    assert own_data(numbers).class_weights is None
    assert own_data(numbers, class_weights=False).class_weights is None
    with pytest.raises(IncompatibleError, match=r"class_weights is True, but regression has no"):
        own_data(numbers, class_weights=True)
    for wrong in ("balanced", "none", "", None, 2, 0.5):
        with pytest.raises(InvalidSettingError, match=r"must be 'auto', True or False, got "):
            own_data(table(3), class_weights=wrong)  # type: ignore[arg-type]


def test_words_name_the_extreme_classes() -> None:
    weights = balanced_weights([90, 0, 10])
    assert weights_in_words(weights, ["a", "b", "c"]) == "from 0.556 (a) to 5 (c)"


@pytest.mark.parametrize("memory", [None, 0.001])
def test_rare_classes_are_recalled(memory: float | None) -> None:
    data, recalls = table(20, 2100), {}
    for weights in (False, True):
        task = own_data(
            data, metric="balanced_accuracy", class_weights=weights, max_memory_mb=memory
        )
        network, curve = Training(task, "cpu").train(NETWORK, Budget(epochs=8, training_seed=1000))
        x, y = task.tensors("validation")
        with torch.inference_mode():
            predicted = torch.cat(
                [network(x[torch.arange(n, len(y), 4)]).argmax(1) for n in range(4)]
            )
        actual = torch.cat([y[torch.arange(n, len(y), 4)] for n in range(4)])
        recalls[weights] = recall_score(actual, predicted)
        assert curve[-1]["balanced_accuracy"] == pytest.approx(
            recall_score(actual, predicted, average="macro")
        )
    assert recalls[False] < 0.2 and recalls[True] > 0.6


@pytest.mark.parametrize(
    ("metric", "weights"),
    list(product([None, "accuracy", "balanced_accuracy"], [None, "auto", "balanced", "none"])),
)
def test_a_run_reads_its_task_again_with_the_same_weights(
    metric: str | None, weights: str | None, tmp_path: Path
) -> None:
    np.savez(tmp_path / "mine.npz", **table(20))
    options = SearchOptions.of(
        data=str(tmp_path / "mine.npz"), metric=metric, class_weights=weights
    )
    read = read_user_data(options)
    assert read is not None and read.task.spec.metric == (metric or "balanced_accuracy")
    expected = {"balanced": True, "none": False}.get(str(weights), metric != "accuracy")
    assert (read.task.class_weights is not None) is expected
    assert ("weight in the training loss" in read.text) is expected
    saved = to_json(options.changed(metric=read.task.spec.metric))
    again = read_task_again({"task": None, **saved})
    assert again is not None and again.fingerprint == read.task.fingerprint
    del saved["class_weights"]  # a run of before
    before = read_task_again({"task": None, **saved})
    assert before is not None and before.class_weights is None


def test_weights_need_data() -> None:
    with pytest.raises(InvalidSettingError, match=r"Option --class-weights is about --data"):
        read_user_data(SearchOptions.of(class_weights="balanced"))
