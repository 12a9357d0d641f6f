"""The contract of every task: fixed stratified splits, a sealed test split, repeatable training."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nas_env.architecture import Architecture, Layer, Recipe
from nas_env.evaluation import Budget
from nas_env.evaluators.training import seeded
from nas_env.network import build
from nas_env.tasks import TASKS, Metrics, Task, needs_data
from nas_env.tasks.supervised import SPLITS, Split, SupervisedTask, stratified_split

Make = Callable[[str], Task]
Arrays = Callable[..., dict[str, Any]]

SHARES = {"mnist-small": (0.2, 0.4, 0.4)}  # of each class, where they are not 60/20/20
SHIPPED = ("digits", "wine", "breast-cancer", "mnist-small")


def fresh(name: str, make_arrays: Arrays) -> Task:
    return TASKS.get(name)(data=make_arrays()) if needs_data(name) else TASKS.get(name)()


def splits(task: SupervisedTask) -> dict[str, Split]:
    return {name: task._splits[name] for name in SPLITS}


def rows(split: Split) -> set[bytes]:
    return {x.tobytes() for x in split.x}


@pytest.fixture
def supervised(make_task: Make, task_name: str) -> SupervisedTask:
    """Return a task whose data are arrays; the test is skipped for others."""
    task = make_task(task_name)
    if not isinstance(task, SupervisedTask):
        pytest.skip("this task has no arrays to look at")
    return task


def labels(task: SupervisedTask) -> dict[str, NDArray[np.int64]]:
    """Return the classes in each split, or skip the test where the task has no classes."""
    if task.spec.problem != "classification":
        pytest.skip("this task has no classes")
    return {name: split.y for name, split in splits(task).items()}


def test_the_spec_is_complete_and_consistent(make_task: Make, task_name: str) -> None:
    spec = make_task(task_name).spec
    assert spec.name == task_name
    assert spec.metric in spec.reports
    assert "loss" not in spec.reports
    assert min(*spec.input_shape, *spec.sizes, spec.num_outputs) >= 1
    assert spec.higher_is_better or spec.baseline_error > 0
    assert hash(spec) == hash(make_task(task_name).spec)


def test_the_spec_describes_the_arrays(supervised: SupervisedTask) -> None:
    spec = supervised.spec
    assert spec.modality == ("image" if len(spec.input_shape) == 3 else "vector")
    for name, size in zip(SPLITS, spec.sizes, strict=True):
        part = splits(supervised)[name]
        assert part.x.shape == (size, *spec.input_shape)
        assert part.x.dtype == np.float32
        assert len(part.y) == size


def test_every_class_is_in_every_split(supervised: SupervisedTask) -> None:
    for y in labels(supervised).values():
        assert sorted(set(y.tolist())) == list(range(supervised.spec.num_outputs))


def test_splits_are_disjoint(supervised: SupervisedTask) -> None:
    parts = [rows(split) for split in splits(supervised).values()]
    assert len(set.union(*parts)) == sum(map(len, parts))


@pytest.mark.parametrize("name", [*SHIPPED, "own-data"])
def test_splits_are_stratified(make_task: Make, name: str) -> None:
    task: Any = make_task(name)
    counts = {x: np.bincount(y, minlength=task.spec.num_outputs) for x, y in labels(task).items()}
    total = np.sum(list(counts.values()), axis=0)
    shares = SHARES.get(name, (0.6, 0.2, 0.2))
    for split, share in zip(SPLITS, shares, strict=True):
        assert np.abs(counts[split] - share * total).max() < 1


def test_a_task_does_not_depend_on_global_seeds(make_arrays: Arrays, task_name: str) -> None:
    made = []
    for seed in (0, 1):
        np.random.seed(seed)
        torch.manual_seed(seed)
        made.append(fresh(task_name, make_arrays))
    a, b = made
    assert (a.spec, a.fingerprint) == (b.spec, b.fingerprint)
    assert curve(a) == curve(b)
    if isinstance(a, SupervisedTask) and isinstance(b, SupervisedTask):
        for one, other in zip(splits(a).values(), splits(b).values(), strict=True):
            assert np.array_equal(one.x, other.x)
            assert np.array_equal(one.y, other.y)


def test_fingerprints_are_equal_in_every_process(make_task: Make) -> None:
    names = [name for name in TASKS if not needs_data(name)]
    code = f"from nas_env.tasks import TASKS\nfor x in {names!r}: print(TASKS.get(x)().fingerprint)"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split("\n")[:-1] == [make_task(name).fingerprint for name in names]


@pytest.mark.parametrize("part", range(3))
def test_the_fingerprint_changes_with_every_split(part: int) -> None:
    rng = np.random.default_rng(0)
    parts = [Split(rng.normal(size=(8, 4)).astype(np.float32), np.arange(8) % 2) for _ in SPLITS]
    before = SupervisedTask("probe", *parts, num_outputs=2).fingerprint
    assert SupervisedTask("probe", *parts, num_outputs=2).fingerprint == before
    changed = parts[part].x.copy()
    changed[3, 1] += 0.001
    parts[part] = Split(changed, parts[part].y)
    assert SupervisedTask("probe", *parts, num_outputs=2).fingerprint != before
    assert SupervisedTask("probe", *parts, num_outputs=2, version=2).fingerprint.startswith(
        "probe-v2"
    )


def test_the_test_split_is_sealed(supervised: SupervisedTask) -> None:
    with pytest.raises(PermissionError, match="'test' is sealed"):
        supervised.tensors("test")
    x, y = supervised.tensors("validation")
    assert (len(x), len(y)) == (supervised.spec.sizes[1],) * 2


def test_inputs_are_standardised_by_the_training_split(supervised: SupervisedTask) -> None:
    x = splits(supervised)["train"].x.astype(np.float64)
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    constant = np.ptp(x, axis=axes) == 0
    np.testing.assert_allclose(x.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axes), np.where(constant, 0, 1), atol=1e-4)


def network_for(task: Task) -> Architecture:
    layer = (
        Layer.of("conv", channels=4, kernel=3)
        if task.spec.modality == "image"
        else Layer.of("linear", units=16)
    )
    return Architecture((layer, Layer.of("dropout", rate=0.2)))


def curve(task: Task, epochs: int = 2) -> list[dict[str, float]]:
    """Train a small network and return its metrics after each epoch."""
    with seeded(5):
        network = build(network_for(task), task.spec)
        return [dict(x) for x in task.fit(network, Recipe(), Budget(epochs=epochs))]


def assert_in_range(task: Task, metrics: Metrics) -> None:
    """Fail where a number is not plain and finite, or the metric of the task out of its range."""
    assert all(type(x) in (int, float) and math.isfinite(x) for x in metrics.values())
    assert metrics[task.spec.metric] >= 0
    assert metrics[task.spec.metric] <= 1 or not task.spec.higher_is_better


def test_training_repeats_and_leaves_global_generators_alone(
    make_task: Make, task_name: str
) -> None:
    task = make_task(task_name)
    torch.manual_seed(123)
    np.random.seed(123)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    curves = [curve(task) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert curves[0] == curves[1]
    assert len(curves[0]) == 2
    for metrics in curves[0]:
        assert set(metrics) == {*task.spec.reports, "loss", "train_loss"}
        assert_in_range(task, metrics)


def test_the_caller_may_stop_after_any_epoch(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    with seeded(5):
        epochs = task.fit(build(network_for(task), task.spec), Recipe(), Budget(epochs=50))
        assert_in_range(task, next(iter(epochs)))


def test_the_test_split_is_measured_like_the_validation_split(
    make_task: Make, task_name: str
) -> None:
    task = make_task(task_name)
    with seeded(5):
        network = build(network_for(task), task.spec).eval()
    weights = {name: x.clone() for name, x in network.state_dict().items()}
    found = task.test(network)
    assert set(found) == {*task.spec.reports, "loss"}
    assert_in_range(task, found)
    assert task.test(network) == found
    assert all(torch.equal(x, weights[name]) for name, x in network.state_dict().items())


def test_the_test_metrics_are_those_of_the_test_split(supervised: SupervisedTask) -> None:
    network = build(network_for(supervised), supervised.spec).eval()
    split = splits(supervised)["test"]
    with torch.inference_mode():
        outputs = network(torch.from_numpy(split.x))
    found, y = supervised.test(network), torch.from_numpy(split.y)
    if supervised.spec.problem == "classification":
        assert found["accuracy"] == pytest.approx((outputs.argmax(1) == y).double().mean().item())
        expected = torch.nn.functional.cross_entropy(outputs, y)
    else:
        expected = torch.nn.functional.mse_loss(outputs[:, 0], y)
    assert found["loss"] == pytest.approx(expected.item(), rel=1e-4)


def test_chance_is_that_of_the_commonest_class(supervised: SupervisedTask) -> None:
    classes = labels(supervised)
    commonest = np.bincount(classes["train"]).argmax()
    assert supervised.chance == pytest.approx(np.mean(classes["validation"] == commonest))


def test_tasks_pickle(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    before = curve(task, 1)
    back = pickle.loads(pickle.dumps(task))
    assert (back.spec, back.fingerprint) == (task.spec, task.fingerprint)
    assert curve(back, 1) == before


@pytest.mark.parametrize("name", ["digits", "wine", "breast-cancer"])
def test_the_embedded_data_are_those_of_scikit_learn(name: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
    task = TASKS.get(name)()
    assert isinstance(task, SupervisedTask)
    parts = stratified_split(bunch.target.astype(np.int64), (0.6, 0.2, 0.2))
    data = bunch.data.reshape(-1, *task.spec.input_shape).astype(np.float32)
    for split, part in zip(splits(task).values(), parts, strict=True):
        assert np.array_equal(split.y, bunch.target[part])
        np.testing.assert_allclose(split.x * task.sd + task.mean, data[part], rtol=1e-4, atol=1e-3)
