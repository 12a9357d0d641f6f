"""Early stopping of one training keeps the weights of its best epoch on validation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.evaluation import Budget
from nas_env.evaluators.best_epoch import BestEpoch, patience_of
from nas_env.evaluators.training import Training
from nas_env.tasks.own_data import DataTask, own_data

NETWORK = Candidate(Architecture((Layer.of("linear", units=16),)), Recipe(batch_size=8))


@given(
    curve=st.lists(st.integers(0, 4), min_size=1, max_size=30),
    higher=st.booleans(),
    patience=st.integers(1, 12),
)
def test_the_earliest_best_epoch_before_the_stop_is_kept(
    curve: list[int], higher: bool, patience: int
) -> None:
    best = BestEpoch("quality", higher, patience)
    network = torch.nn.Linear(1, 1)
    trained = []
    for epoch, value in enumerate(curve, start=1):
        with torch.no_grad():
            network.weight.fill_(epoch)
        trained.append(value)
        if best.ends_after(network, {"quality": value}):
            break
    optimum = max(trained) if higher else min(trained)
    assert best.number == 1 + trained.index(optimum)
    assert best.epochs == len(trained)
    since = len(trained) - best.number
    assert since == patience or (since < patience and len(trained) == len(curve))
    best.restore(network)
    assert network.weight.item() == best.number


@given(st.integers(1, 2000))
def test_patience_is_a_quarter_of_the_epochs_and_at_least_five(epochs: int) -> None:
    assert patience_of(epochs) == max(5, math.ceil(epochs / 4))


def small(metric: str) -> DataTask:
    """Return a task that networks overfit within a few epochs."""
    generator = torch.Generator().manual_seed(1000)
    x = torch.randn(100, 6, generator=generator)
    y = x[:, 0] + torch.randn(100, generator=generator)
    regression = metric in ("mse", "mae")
    return own_data({"x": x.numpy(), "y": (y if regression else y > 0).numpy()}, metric=metric)


@pytest.mark.parametrize("metric", ["mse", "mae", "accuracy", "balanced_accuracy", "roc_auc"])
def test_a_training_equals_the_whole_one_until_it_stops(metric: str) -> None:
    task, budget = small(metric), Budget(epochs=30, training_seed=1000)
    training = Training(task, "cpu")
    _, whole = training.train(NETWORK, budget)
    values = [epoch[metric] for epoch in whole]
    best = BestEpoch.of(task.spec, 30)
    network, curve = training.train(NETWORK, budget, None, best)
    assert curve == whole[: best.epochs]
    optimum = max if task.spec.higher_is_better else min
    assert best.number == 1 + values.index(optimum(values[: best.epochs]))
    assert task.validate(network)[metric] == values[best.number - 1]
    assert best.epochs == 30 or best.epochs == best.number + 8
    again = BestEpoch.of(task.spec, 30)
    repeated, _ = training.train(NETWORK, budget, None, again)
    assert again.number == best.number
    for name, x in network.state_dict().items():
        assert torch.equal(x, repeated.state_dict()[name]), name
    _, after = training.train(NETWORK, budget)
    assert after == whole, "a training without early stopping does not change"


def test_early_stopping_ends_a_training_that_overfits() -> None:
    task = small("mse")
    best = BestEpoch.of(task.spec, 60)
    _, curve = Training(task, "cpu").train(NETWORK, Budget(epochs=60), None, best)
    assert len(curve) == best.number + 15 < 60


def test_early_stopping_leaves_checkpoints_and_inherited_weights_alone(tmp_path: Path) -> None:
    task, budget = small("mse"), Budget(epochs=2, horizon=20)
    training = Training(task, "cpu", checkpoints=tmp_path)
    training.evaluate([NETWORK], budget)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files
    best = BestEpoch.of(task.spec, 20)
    _, curve = training.train(NETWORK, Budget(epochs=20), None, best)
    assert best.epochs == len(curve) > 2, "it begins with the first epoch"
    assert files == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept: Any = training.__dict__["_kept"]
    assert kept.get(NETWORK, Budget(epochs=20)) is None
