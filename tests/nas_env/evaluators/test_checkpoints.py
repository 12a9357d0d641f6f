"""Trainings that stop go on bit for bit, and what a checkpoint file holds is never run."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas_env.architecture import (
    AUGMENTATIONS,
    OPTIMIZERS,
    SCHEDULES,
    Architecture,
    Candidate,
    Layer,
    Recipe,
)
from nas_env.errors import InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import _checkpoints as checkpoints
from nas_env.evaluators import training
from nas_env.evaluators._checkpoints import MAGIC, Checkpoints, TrainingProgress, name_of, write
from nas_env.evaluators.training import Training
from nas_env.spaces import SearchSpace
from nas_env.tasks import Metrics, Task
from nas_env.tasks._loop import Loop
from nas_env.tasks.supervised import Split, SupervisedTask

HORIZON = 4
BOTH = Architecture(
    (
        Layer.of("conv", channels=4, kernel=3),
        Layer.of("batch-norm"),
        Layer.of("max-pool", kernel=2, stride=2),
        Layer.of("dropout", rate=0.3),
        Layer.of("linear", units=8),
    )
)
PLAIN = Candidate(BOTH, Recipe(batch_size=32))


def small_task(kind: type[SupervisedTask] = SupervisedTask, size: int = 50) -> SupervisedTask:
    """Return images of three classes in equal splits; an epoch is a few milliseconds."""
    rng = np.random.default_rng(0)
    y = np.arange(3 * size) % 3
    x = (rng.normal(size=(3 * size, 1, 8, 8)) + y[:, None, None, None]).astype(np.float32)
    parts = [Split(x[i : i + size], y[i : i + size]) for i in (0, size, 2 * size)]
    return kind("small", parts[0], parts[1], parts[2], num_outputs=3)


TASK = small_task()


def make(folder: Path | None = None, task: Task = TASK, precision: str = "float32") -> Training:
    return Training(task, "cpu", precision, checkpoints=folder)


def until(epochs: int, **settings: Any) -> Budget:
    return Budget(epochs=epochs, horizon=HORIZON, **settings)


def one(evaluator: Training, candidate: Candidate, budget: Budget) -> Evaluation:
    return evaluator.evaluate([candidate], budget)[0]


def numbers(evaluation: Evaluation) -> Evaluation:
    return replace(evaluation, seconds=0.0)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers (from 0) of the epochs that are trained from now on."""
    epochs: list[int] = []
    original = Loop._epoch

    def counted(self: Loop, epoch: int, *data: Any) -> float:
        epochs.append(epoch)
        return original(self, epoch, *data)

    monkeypatch.setattr(Loop, "_epoch", counted)
    return epochs


def check_continued(
    folder: Path, candidate: Candidate, task: Task, precision: str = "float32"
) -> None:
    """Compare a training in parts, with others between and torch's generator disturbed, to one."""
    whole, weights = make(None, task, precision), []
    network, curve = whole.train(candidate, Budget(epochs=HORIZON))
    weights.append(network.state_dict())
    parts = make(folder, task, precision)
    for epochs in (1, 3):
        found = one(parts, candidate, until(epochs))
        assert found.ok, found.message
        assert [dict(x) for x in found.curve] == curve[:epochs]
        torch.manual_seed(epochs)
    network, again = parts.train(candidate, Budget(epochs=HORIZON))
    assert again == curve
    assert all(torch.equal(x, network.state_dict()[name]) for name, x in weights[0].items())
    assert files(folder) == []


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_parts_are_the_whole_bit_for_bit(
    tmp_path: Path, trained: list[int], optimizer: str, augmentation: str, precision: str
) -> None:
    recipe = Recipe(optimizer=optimizer, augmentation=augmentation, batch_size=16)
    check_continued(tmp_path, Candidate(BOTH, recipe), TASK, precision)
    assert trained == [0, 1, 2, 3, 0, 1, 2, 3]  # at once, then in parts


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_parts_are_the_whole_on_every_schedule(
    tmp_path: Path, trained: list[int], schedule: str
) -> None:
    recipe = Recipe(schedule=schedule, step_epochs=2, label_smoothing=0.1)
    check_continued(tmp_path, Candidate(BOTH, recipe), TASK)
    assert trained == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize("space", ["chain", "nasbench-macro", "nasbench201"])
def test_parts_are_the_whole_in_chains_and_cells(
    tmp_path: Path, trained: list[int], make_space: Callable[..., SearchSpace], space: str
) -> None:
    task = small_task(size=12)
    made = make_space(space, task.spec.input_shape, 3, None)
    rng = np.random.default_rng(1)
    walk = (3, 2, 1, 3, 2, 3) if space == "nasbench201" else made.sample(rng)
    check_continued(tmp_path, made.decode(walk), task)
    assert trained == [0, 1, 2, 3, 0, 1, 2, 3]


def test_vectors_go_on_too(
    tmp_path: Path, trained: list[int], make_task: Callable[[str], Task]
) -> None:
    layers = Layer.of("linear", units=16), Layer.of("dropout", rate=0.2)
    check_continued(tmp_path, Candidate(Architecture(layers)), make_task("wine"))
    assert trained == [0, 1, 2, 3, 0, 1, 2, 3]


def test_another_process_goes_on(tmp_path: Path, trained: list[int]) -> None:
    """The evaluator is pickled as it is for a pool, and the folder is what they share."""
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        first = pool.apply(one, (make(tmp_path), PLAIN, until(2)))
    assert first.epochs == 2 and trained == []
    found = one(make(tmp_path), PLAIN, until(4))
    assert trained == [2, 3]
    assert numbers(found) == numbers(one(make(), PLAIN, until(4)))


def test_the_furthest_one_that_serves_is_taken(tmp_path: Path, trained: list[int]) -> None:
    evaluator = make(tmp_path)
    one(evaluator, PLAIN, until(3))
    one(evaluator, PLAIN, until(1))  # shorter: begins anew
    one(evaluator, PLAIN, until(2))
    assert trained == [0, 1, 2, 0, 1]
    assert len(files(tmp_path)) == 2
    found = one(evaluator, PLAIN, until(3))  # as long as a checkpoint: nothing is left to train
    assert trained == [0, 1, 2, 0, 1] and found.epochs == len(found.curve) == 3
    one(evaluator, PLAIN, until(4))
    assert trained == [0, 1, 2, 0, 1, 3]
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "other",
    [
        (replace(PLAIN, recipe=Recipe(batch_size=16)), until(4)),
        (PLAIN, until(4, training_seed=1)),
        (PLAIN, Budget(epochs=4, horizon=5)),
    ],
    ids=["recipe", "training_seed", "horizon"],
)
def test_another_training_begins_anew(
    tmp_path: Path, trained: list[int], other: tuple[Candidate, Budget]
) -> None:
    one(make(tmp_path), PLAIN, until(2))
    one(make(tmp_path), *other)
    assert trained == [0, 1, 0, 1, 2, 3]


def test_another_fingerprint_begins_anew(tmp_path: Path, trained: list[int]) -> None:
    one(make(tmp_path), PLAIN, until(2))
    one(make(tmp_path, precision="bfloat16"), PLAIN, until(4))
    assert trained == [0, 1, 0, 1, 2, 3]


def test_a_child_depends_on_its_parents_epochs_and_begins_anew(
    tmp_path: Path, trained: list[int]
) -> None:
    child = replace(PLAIN, parent=Candidate(BOTH, Recipe(batch_size=16)))
    parts = make(tmp_path)
    first, second = one(parts, child, until(2)), one(parts, child, until(4))
    assert trained == [0, 1] * 2 + [2, 3] + [0, 1, 2, 3]  # the parent goes on, the child does not
    assert numbers(second) == numbers(one(make(), child, until(4)))
    assert first.curve[0] != second.curve[0]
    assert files(tmp_path) == []


def test_without_a_folder_nothing_is_written(tmp_path: Path, trained: list[int]) -> None:
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        evaluator = make()
        one(evaluator, PLAIN, until(2))
        one(evaluator, PLAIN, until(3))
    finally:
        os.chdir(before)
    assert trained == [0, 1, 0, 1, 2]
    assert files(tmp_path) == []


def test_a_task_that_yields_from_a_plain_generator_begins_anew(tmp_path: Path) -> None:
    began = []

    class Plain(SupervisedTask):
        def fit(self, *arguments: Any, **settings: Any) -> Iterator[Metrics]:  # type: ignore[override]
            began.append(set(settings))
            yield from SupervisedTask.fit(self, *arguments, **settings)

    evaluator = make(tmp_path, small_task(Plain))
    for epochs in (2, 4):
        found = one(evaluator, PLAIN, until(epochs))
        assert numbers(found) == numbers(one(make(), PLAIN, until(epochs)))
    assert began == [{"device", "precision"}] * 2  # never asked to resume
    assert files(tmp_path) == []


# ---- time ----


def test_seconds_count_from_the_first_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: now[0])
    original = Loop._epoch

    def slow(self: Loop, epoch: int, *data: Any) -> float:
        now[0] += 10
        return original(self, epoch, *data)

    monkeypatch.setattr(Loop, "_epoch", slow)
    evaluator = make(tmp_path)
    seconds = [one(evaluator, PLAIN, until(epochs)).seconds for epochs in (1, 3, 4)]
    assert seconds == [10, 30, 40]


def test_the_time_limit_is_one_for_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[int]
) -> None:
    original = TrainingProgress.go_on_from
    evaluator = make(tmp_path)
    one(evaluator, PLAIN, until(2))
    assert one(evaluator, PLAIN, until(3, max_seconds=60)).ok
    path = tmp_path / files(tmp_path)[0]
    state = checkpoints.read(path, path.stem.split("-")[0])
    write(path, {**state, "seconds": 59.9999})
    found = one(evaluator, PLAIN, until(4, max_seconds=60))
    assert found.outcome is Outcome.TIMEOUT
    assert (found.epochs, len(found.curve)) == (3, 3)  # a failure keeps what it had
    assert found.seconds > 59
    assert TrainingProgress.go_on_from is original
    assert one(evaluator, PLAIN, until(4, max_seconds=6000)).ok
    assert trained == [0, 1, 2, 3, 3]


# ---- files that are not what they should be ----


def break_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rename_from_another(path: Path) -> None:
    state = checkpoints.read(path, path.stem.split("-")[0])
    write(path, {**state, "name": "0" * 32})


def claim_other_epochs(path: Path) -> None:
    state = checkpoints.read(path, path.stem.split("-")[0])
    write(path, {**state, "curve": state["curve"][:1]})


def other_network(path: Path) -> None:
    state = checkpoints.read(path, path.stem.split("-")[0])
    write(path, {**state, "network": {"weight": torch.zeros(3)}})


def other_moments(path: Path) -> None:
    state = dict(checkpoints.read(path, path.stem.split("-")[0]))
    state["optimizer"]["state"][0]["exp_avg"] = torch.zeros(3)
    write(path, state)


def other_generator(path: Path) -> None:
    state = checkpoints.read(path, path.stem.split("-")[0])
    write(path, {**state, "draws": torch.zeros(3)})


DAMAGES = [
    break_in_half,
    empty,
    flip_one_bit,
    rename_from_another,
    claim_other_epochs,
    other_network,
    other_moments,
    other_generator,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda x: x.__name__)
def test_a_damaged_one_is_refused_and_training_begins_anew(
    tmp_path: Path,
    trained: list[int],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    one(make(tmp_path), PLAIN, until(2))
    (path,) = tmp_path.iterdir()
    damage(path)
    with caplog.at_level(logging.WARNING):
        found = one(make(tmp_path), PLAIN, until(4))
    assert trained == [0, 1, 0, 1, 2, 3]
    assert numbers(found) == numbers(one(make(), PLAIN, until(4)))
    (record,) = caplog.records
    assert str(path) in record.getMessage() and "is ignored" in record.getMessage()
    assert files(tmp_path) == []


def test_the_next_one_serves_where_the_furthest_is_damaged(
    tmp_path: Path, trained: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    one(make(tmp_path), PLAIN, until(3))
    one(make(tmp_path), PLAIN, until(1))
    flip_one_bit(next(path for path in tmp_path.iterdir() if path.stem.endswith("-3")))
    found = one(make(tmp_path), PLAIN, until(4))
    assert trained == [0, 1, 2, 0, 1, 2, 3]
    assert numbers(found) == numbers(one(make(), PLAIN, until(4)))
    assert len(caplog.records) == 1


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.trace,)


def pickled(content: Any) -> bytes:
    return pickle.dumps(content, protocol=2)


def torch_saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("hashed", [False, True], ids=["bare", "with-hash"])
@pytest.mark.parametrize("save", [pickled, torch_saved], ids=["pickle", "torch"])
def test_code_in_a_file_is_never_run(
    tmp_path: Path,
    trained: list[int],
    caplog: pytest.LogCaptureFixture,
    save: Callable[[Any], bytes],
    hashed: bool,
) -> None:
    folder, trace = tmp_path / "folder", tmp_path / "trace"
    name = name_of(PLAIN, make().fingerprint, until(4))
    payload = save({"name": name, "curve": [{}], "seconds": 1.0, "network": Malicious(trace)})
    evaluator = make(folder)
    path = folder / f"{name}-1.pt"
    path.write_bytes(MAGIC + checkpoints._hash(payload) + payload if hashed else payload)
    found = one(evaluator, PLAIN, until(4))
    assert found.ok and trained == [0, 1, 2, 3]
    assert not trace.exists()
    assert str(path) in caplog.text and "is ignored" in caplog.text
    if save is pickled:
        pickle.loads(payload)
        assert trace.exists(), "the file would not have done anything anyway"


# ---- the folder ----


def test_the_folder_has_a_bound(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, most_files=3)
    for number in range(5):
        kept.keep(f"{number:032}", TrainingProgress([{"loss": 1.0}]), {})
        path = tmp_path / f"{number:032}-1.pt"
        os.utime(path, (number, number))
    assert files(tmp_path) == [f"{number:032}-1.pt" for number in (2, 3, 4)]


def test_what_a_killed_process_left_goes_after_a_while(tmp_path: Path) -> None:
    old, new = tmp_path / "old.part", tmp_path / "new.part"
    for path, age in ((old, 2 * checkpoints.ABANDONED_SECONDS), (new, 1)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    one(make(tmp_path), PLAIN, until(1))
    assert not old.exists() and new.exists()


def test_a_full_disk_costs_the_checkpoint_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "replace", full)
    found = one(make(tmp_path), PLAIN, until(2))
    assert found.ok
    assert "No space left on device" in caplog.text and str(tmp_path) in caplog.text
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSettingError, match=r"Checkpoint folder .*file cannot be created"):
        make(tmp_path / "file")


def test_a_refused_one_leaves_no_trace_in_what_the_network_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is half loaded when it is refused: weights and generator must begin anew."""
    one(make(tmp_path), PLAIN, until(2))
    original = training.build
    built = []
    monkeypatch.setattr(training, "build", lambda *x: built.append(1) or original(*x))
    (path,) = tmp_path.iterdir()
    other_moments(path)
    found = one(make(tmp_path), PLAIN, until(4))
    assert len(built) == 2
    assert numbers(found) == numbers(one(make(), PLAIN, until(4)))
