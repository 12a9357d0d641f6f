"""What is found in data, and what is chosen for a search on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_env.architecture import Recipe
from nas_env.evaluation import Budget
from nas_env.objectives import OBJECTIVES
from nas_env.sources import Summary, read_data, suggest, summarise
from nas_env.spaces import SPACES
from nas_env.tasks.own_data import METRICS
from tests.support.made_data import image_folder, table


def summary(train: int = 1000, shape: tuple[int, ...] = (3, 32, 32), **changes: Any) -> Summary:
    settings: dict[str, Any] = {
        "problem": "classification",
        "counts": {"a": (train // 2, 100, 100), "b": (train // 2, 100, 100)},
        "targets": None,
        **changes,
    }
    sizes = (train, max(train // 3, 1), max(train // 3, 1))
    return Summary("mine", "npz", shape=shape, sizes=sizes, in_memory=True, notes=(), **settings)


@given(
    train=st.integers(2, 10**7),
    shape=st.tuples(st.integers(1, 10_000)) | st.just((1, 8, 8)) | st.just((3, 224, 224)),
    problem=st.sampled_from(["classification", "regression"]),
)
def test_every_suggestion_can_be_used(train: int, shape: tuple[int, ...], problem: str) -> None:
    found = suggest(summary(train, shape, problem=problem))
    assert found.space.value in SPACES
    assert found.metric.value in METRICS[problem]
    Recipe(batch_size=found.batch_size.value)  # type: ignore[arg-type]
    Budget(epochs=found.epochs.value)  # type: ignore[arg-type]
    assert 100_000 <= int(found.max_params.value or 0) <= 2_000_000
    assert "metric" in OBJECTIVES


def test_a_suggested_limit_leaves_networks_in_the_space() -> None:
    for shape in ((4,), (500,), (1, 28, 28), (3, 64, 64)):
        found = suggest(summary(500, shape))
        space = SPACES.get(str(found.space.value))(shape, 2, int(found.max_params.value or 0))
        assert space.sample(np.random.default_rng(0))


def test_more_data_mean_larger_batches_and_fewer_epochs() -> None:
    found = [suggest(summary(train)) for train in (100, 1_000, 10_000, 100_000)]
    batches = [int(x.batch_size.value or 0) for x in found]
    epochs = [int(x.epochs.value or 0) for x in found]
    assert batches == sorted(batches) and batches[0] < batches[-1]
    assert epochs == sorted(epochs, reverse=True) and epochs[0] > epochs[-1]


def test_many_pixels_mean_fewer_epochs_and_it_is_said() -> None:
    shapes = ((784,), (1, 8, 8), (1, 28, 28), (3, 64, 64))
    found = [suggest(summary(2_400, shape)).epochs for shape in shapes]
    assert [int(x.value or 0) for x in found] == [50, 33, 4, 4]
    assert ["nas-env retrain" in x.reason for x in found] == [False, True, True, True]


def test_unequal_classes_are_judged_by_balanced_accuracy() -> None:
    counts = {"a": (900, 100, 100), "b": (100, 10, 10)}
    found = suggest(summary(counts=counts))
    assert found.metric.value == "balanced_accuracy"
    assert "9 times" in found.metric.reason
    assert suggest(summary()).metric.value == "accuracy"


def test_large_images_and_small_splits_are_hinted_at() -> None:
    hints = " ".join(suggest(summary(60, (3, 128, 256))).hints)
    assert "--image-size 64 is 4 times cheaper" in hints
    assert "a split of 20 samples is small: one sample is 5.0 points" in hints
    assert suggest(summary()).hints == ()


def test_what_the_user_said_is_shown_as_said() -> None:
    text = suggest(summary()).text({"epochs": 3})
    assert "--epochs 3: set by you" in text
    assert "--space chain: convolutional networks" in text


def test_the_summary_tells_sizes_channels_classes_and_splits(tmp_path: Path) -> None:
    image_folder(tmp_path, labels=("cat", "dog"), splits=("train", "val", "test"))
    for number in range(5):
        (tmp_path / "train" / "dog" / f"{number}.png").unlink()
    found = summarise(read_data(tmp_path))
    assert found.counts == {"cat": (10, 10, 10), "dog": (5, 10, 10)}
    assert found.imbalance == 2
    text = found.text()
    for part in ("grey images of 8x6", "15 training, 20 validation, 20 test", "cat 66.7 %"):
        assert part in text
    assert "2 times the samples of the smallest" in text and "The given splits are used" in text


def test_the_summary_of_numbers_tells_their_spread() -> None:
    y = np.arange(80) / 7
    data = read_data(table().assign(label=y))
    found = summarise(data)
    train = y[data.rows["train"]]
    assert found.targets == pytest.approx((train.mean(), train.std(), train.min(), train.max()))
    assert "so it is regression" in found.text()
    assert found.to_json()["imbalance"] == 1
