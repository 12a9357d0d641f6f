"""The contract of every task: fixed stratified splits, a sealed test split, repeatable training."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nas_env.architecture import Architecture, Layer, Recipe
from nas_env.evaluation import Budget
from nas_env.evaluators.training import seeded
from nas_env.network import build
from nas_env.tasks import TASKS, Task, needs_data
from nas_env.tasks.supervised import SPLITS, Split, SupervisedTask, stratified_split

Make = Callable[[str], Task]
Arrays = Callable[..., dict[str, Any]]

SHARES = {"mnist-small": (0.2, 0.4, 0.4)}  # of each class, where they are not 60/20/20


def fresh(name: str, make_arrays: Arrays) -> SupervisedTask:
    task = TASKS.get(name)(data=make_arrays()) if needs_data(name) else TASKS.get(name)()
    assert isinstance(task, SupervisedTask)
    return task


def splits(task: SupervisedTask) -> dict[str, Split]:
    return {name: task._splits[name] for name in SPLITS}


def rows(split: Split) -> set[bytes]:
    return {x.tobytes() for x in split.x}


def test_the_spec_says_what_the_data_are(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    spec = task.spec
    assert spec.name == task_name
    assert spec.modality == ("image" if len(spec.input_shape) == 3 else "vector")
    for name, size in zip(SPLITS, spec.sizes, strict=True):
        part = splits(task)[name]
        assert part.x.shape == (size, *spec.input_shape)
        assert part.x.dtype == np.float32
        assert sorted(set(part.y.tolist())) == list(range(spec.num_outputs))


def test_splits_are_disjoint(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    parts = [rows(split) for split in splits(task).values()]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_splits_are_stratified(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    outputs = task.spec.num_outputs
    counts = {k: np.bincount(s.y, minlength=outputs) for k, s in splits(task).items()}
    total = np.sum(list(counts.values()), axis=0)
    for name, share in zip(SPLITS, SHARES.get(task_name, (0.6, 0.2, 0.2)), strict=True):
        assert np.abs(counts[name] - share * total).max() < 1


def test_splits_do_not_depend_on_global_seeds(make_arrays: Arrays, task_name: str) -> None:
    made = []
    for seed in (0, 1):
        np.random.seed(seed)
        torch.manual_seed(seed)
        made.append(fresh(task_name, make_arrays))
    a, b = (splits(task) for task in made)
    assert all(np.array_equal(a[name].x, b[name].x) for name in SPLITS)
    assert all(np.array_equal(a[name].y, b[name].y) for name in SPLITS)
    assert made[0].fingerprint == made[1].fingerprint


@pytest.mark.parametrize("name", ["digits", "wine", "breast-cancer", "mnist-small"])
def test_fingerprints_are_equal_in_every_process(make_task: Make, name: str) -> None:
    code = f"from nas_env.tasks import TASKS; print(TASKS.get({name!r})().fingerprint)"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == make_task(name).fingerprint


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


def test_the_test_split_is_sealed(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    with pytest.raises(PermissionError, match="'test' is sealed"):
        task.tensors("test")
    x, y = task.tensors("validation")
    assert (len(x), len(y)) == (task.spec.sizes[1],) * 2


def test_inputs_are_standardised_by_the_training_split(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    x = splits(task)["train"].x.astype(np.float64)
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    np.testing.assert_allclose(x.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axes), 1, atol=1e-4)


def network_for(task: Task) -> Architecture:
    layer = (
        Layer.of("conv", channels=4, kernel=3)
        if task.spec.modality == "image"
        else Layer.of("linear", units=16)
    )
    return Architecture((layer, Layer.of("dropout", rate=0.2)))


def test_training_repeats_and_leaves_global_generators_alone(
    make_task: Make, task_name: str
) -> None:
    task, curves = make_task(task_name), []
    torch.manual_seed(123)
    np.random.seed(123)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    for _ in range(2):
        with seeded(5):
            network = build(network_for(task), task.spec)
            curves.append([dict(x) for x in task.fit(network, Recipe(), Budget(epochs=2))])
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert curves[0] == curves[1]
    assert len(curves[0]) == 2
    assert set(curves[0][0]) == {*task.spec.reports, "loss", "train_loss"}


def test_the_caller_may_stop_after_any_epoch(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    epochs = task.fit(build(network_for(task), task.spec), Recipe(), Budget(epochs=50))
    first = next(iter(epochs))
    assert 0 <= first["accuracy"] <= 1


def test_only_test_opens_the_test_split(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    network = build(network_for(task), task.spec).eval()
    split = splits(task)["test"]
    with torch.inference_mode():
        logits = network(torch.from_numpy(split.x))
    found = task.test(network)
    assert found["accuracy"] == pytest.approx((logits.argmax(1).numpy() == split.y).mean())
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(split.y)).item()
    assert found["loss"] == pytest.approx(expected, rel=1e-4)


def test_chance_is_that_of_the_commonest_class(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    train, validation = splits(task)["train"].y, splits(task)["validation"].y
    assert task.chance == pytest.approx(np.mean(validation == np.bincount(train).argmax()))


def test_tasks_pickle(make_task: Make, task_name: str) -> None:
    task = make_task(task_name)
    assert isinstance(task, SupervisedTask)
    task.tensors("train")
    back = pickle.loads(pickle.dumps(task))
    assert (back.spec, back.fingerprint) == (task.spec, task.fingerprint)
    assert torch.equal(back.tensors("train")[0], task.tensors("train")[0])


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
