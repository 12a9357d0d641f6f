"""The evaluator "training": repeatable numbers, and an outcome for whatever goes wrong."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nas_env.architecture import SCHEDULES, Architecture, Candidate, Layer, Recipe
from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import training
from nas_env.evaluators.training import LOOP_VERSION, Training
from nas_env.network import predict
from nas_env.spaces import SPACES
from nas_env.tasks import TASKS, Task
from nas_env.tasks._loop import measure, schedule_factor, shift

Make = Callable[[str], Task]
SMALL = Candidate(
    Architecture(
        (
            Layer.of("conv", channels=8, kernel=3),
            Layer.of("max-pool", kernel=2, stride=2),
            Layer.of("dropout", rate=0.1),
        )
    )
)
GOOD = Candidate(
    Architecture(
        (
            Layer.of("conv", channels=16, kernel=3),
            Layer.of("max-pool", kernel=2, stride=2),
            Layer.of("conv", channels=32, kernel=3),
        )
    )
)
IMPOSSIBLE = Candidate(Architecture((Layer.of("max-pool", kernel=99, stride=1),)))
ONE = Budget(epochs=1)


@pytest.fixture(scope="module")
def evaluator(make_task: Make) -> Training:
    return Training(make_task("digits"), device="cpu")


def numbers(evaluation: Evaluation) -> Evaluation:
    return replace(evaluation, seconds=0.0)


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(evaluator: Training) -> None:
    budget = Budget(epochs=2)
    a, b, c = evaluator.evaluate([SMALL, GOOD, SMALL], budget)
    assert numbers(a) == numbers(c)  # bit for bit, whatever was trained between
    assert a.outcome == b.outcome == "ok"
    other = evaluator.evaluate([SMALL], replace(budget, training_seed=1))[0]
    assert other.metrics["loss"] != a.metrics["loss"]


def test_the_order_is_kept(evaluator: Training) -> None:
    batch = [SMALL, IMPOSSIBLE, GOOD]
    together = [numbers(x) for x in evaluator.evaluate(batch, ONE)]
    alone = [numbers(evaluator.evaluate([x], ONE)[0]) for x in batch]
    assert together == alone
    assert [numbers(x) for _, x in evaluator.stream(batch, ONE)] == alone
    assert evaluator.evaluate([], ONE) == []


def test_an_evaluation_holds_curve_costs_and_seconds(evaluator: Training) -> None:
    found = evaluator.evaluate([SMALL], Budget(epochs=3))[0]
    assert (found.epochs, len(found.curve), found.message) == (3, 3, "")
    assert {k: found.metrics[k] for k in found.curve[-1]} == dict(found.curve[-1])
    assert set(found.curve[0]) == {"accuracy", "loss", "train_loss"}
    cost = predict(SMALL.architecture, evaluator.task.spec).to_json()
    assert {k: found.metrics[k] for k in cost} == cost
    assert found.seconds > 0
    assert found.curve[2]["train_loss"] < found.curve[0]["train_loss"]


def test_global_generator_and_threads_are_left_alone(evaluator: Training) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        state = torch.get_rng_state()
        for candidate in (SMALL, IMPOSSIBLE):
            evaluator.evaluate([candidate], ONE)
            assert torch.equal(torch.get_rng_state(), state)
            assert torch.get_num_threads() == 2
        first = evaluator.evaluate([SMALL], ONE)[0]
        torch.manual_seed(99)
        assert numbers(evaluator.evaluate([SMALL], ONE)[0]) == numbers(first)
    finally:
        torch.set_num_threads(threads)


def test_a_loss_without_a_number_is_diverged(evaluator: Training) -> None:
    wild = replace(SMALL, recipe=Recipe(optimizer="sgd", learning_rate=1e30, schedule="constant"))
    found = evaluator.evaluate([wild], Budget(epochs=3))[0]
    assert found.outcome is Outcome.DIVERGED
    assert "after epoch 1" in found.message
    assert found.metrics == {}


def test_over_time_is_timeout(evaluator: Training) -> None:
    found = evaluator.evaluate([GOOD], Budget(epochs=1000, max_seconds=0.05))[0]
    assert found.outcome is Outcome.TIMEOUT
    assert "Over 0.05 s" in found.message
    assert 0.05 <= found.seconds < 5


def test_over_the_memory_limit_is_too_large_and_builds_nothing(
    evaluator: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = predict(SMALL.architecture, evaluator.task.spec)
    megabytes = cost.training_bytes(SMALL.recipe.batch_size) / 1e6
    fits = evaluator.evaluate([SMALL], replace(ONE, max_memory_mb=megabytes))[0]
    assert fits.ok
    monkeypatch.setattr(training, "build", None)  # calling it would crash
    found = evaluator.evaluate([SMALL], replace(ONE, max_memory_mb=megabytes * 0.99))[0]
    assert found.outcome is Outcome.TOO_LARGE
    assert "Predicted" in found.message


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("shape mismatch"), "crashed"),
        (KeyError("x"), "crashed"),
    ],
)
def test_what_building_or_training_raises_is_an_outcome(
    evaluator: Training, monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: str
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(training, "build", fails)
    found = evaluator.evaluate([SMALL], ONE)[0]
    assert (found.outcome, found.metrics) == (outcome, {})
    assert str(error) in found.message


def test_a_crash_is_logged_with_its_traceback(
    evaluator: Training, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(training, "build", lambda *_: 1 / 0)
    with caplog.at_level(logging.WARNING):
        found = evaluator.evaluate([SMALL], ONE)[0]
    assert found.message.startswith("ZeroDivisionError")
    assert "Traceback" in caplog.text


def test_an_impossible_network_is_crashed_with_the_layer(evaluator: Training) -> None:
    found = evaluator.evaluate([IMPOSSIBLE], ONE)[0]
    assert found.outcome is Outcome.CRASHED
    assert "Layer 1: Pooling window 99" in found.message


def test_a_keyboard_interrupt_gets_through(
    evaluator: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluator.evaluate([SMALL], ONE)


def test_a_small_convolutional_network_learns_digits(evaluator: Training) -> None:
    found = evaluator.evaluate([GOOD], Budget())[0]
    assert found.metrics["accuracy"] >= 0.95
    network, curve = evaluator.train(GOOD, Budget())
    assert dict(curve[-1]) == dict(found.curve[-1])
    assert measure(network, *evaluator.task.tensors("validation")) == {  # type: ignore[attr-defined]
        key: curve[-1][key] for key in ("accuracy", "loss")
    }


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("augmentation", ["none", "shift"])
def test_every_optimizer_and_augmentation_learns(
    evaluator: Training, optimizer: str, augmentation: str
) -> None:
    recipe = Recipe(optimizer=optimizer, augmentation=augmentation, label_smoothing=0.1)
    found = evaluator.evaluate([replace(SMALL, recipe=recipe)], Budget(epochs=4))[0]
    assert found.metrics["accuracy"] > 0.5  # chance is 0.1


def test_bfloat16_learns_and_has_its_own_fingerprint(make_task: Make, evaluator: Training) -> None:
    half = Training(make_task("digits"), device="cpu", precision="bfloat16")
    found = half.evaluate([SMALL], Budget(epochs=4))[0]
    assert found.metrics["accuracy"] > 0.5
    exact = evaluator.evaluate([SMALL], Budget(epochs=4))[0]
    assert found.metrics["loss"] != exact.metrics["loss"]
    assert half.fingerprint != evaluator.fingerprint


def test_the_fingerprint_names_task_device_and_precision(make_task: Make) -> None:
    made = {
        name: Training(make_task(name), device="cpu").fingerprint for name in ("digits", "wine")
    }
    assert (
        made["digits"] == f"training-{LOOP_VERSION}/{make_task('digits').fingerprint}/cpu/float32"
    )
    assert made["wine"] != made["digits"]


def test_automatic_precision_settles_on_one(make_task: Make) -> None:
    found = Training(make_task("wine"), device="cpu", precision="auto")
    assert found.precision in ("float32", "bfloat16")
    assert found.fingerprint.endswith(found.precision)


def test_wrong_settings_are_refused(make_task: Make) -> None:
    with pytest.raises(UnknownNameError, match=r"precision 'floot32'.*Did you mean 'float32'"):
        Training(make_task("wine"), precision="floot32")
    for device in ("cuda:99", "quantum"):
        with pytest.raises(InvalidSettingError, match=f"Device '{device}' cannot be used"):
            Training(make_task("wine"), device=device)


# ---- the loop's parts ----


@pytest.mark.parametrize(
    ("schedule", "epoch", "factor"),
    [
        ("constant", 7.3, 1.0),
        ("step", 4.9, 1.0),
        ("step", 5.0, 0.2),
        ("step", 14.0, 0.2**2),
        ("cosine", 0.0, 1.0),
        ("cosine", 5.0, 0.5),
        ("cosine", 10.0, 0.0),
        ("one-cycle", 0.0, 0.05),
        ("one-cycle", 3.0, 1.0),
        ("one-cycle", 6.5, 0.5),
        ("one-cycle", 10.0, 0.0),
    ],
)
def test_schedules(schedule: str, epoch: float, factor: float) -> None:
    found = schedule_factor(Recipe(schedule=schedule), epoch, horizon=10)
    assert found == pytest.approx(factor, abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_stay_between_nothing_and_the_peak(schedule: str) -> None:
    recipe = Recipe(schedule=schedule)
    factors = [schedule_factor(recipe, epoch / 10, horizon=12) for epoch in range(121)]
    assert min(factors) >= 0
    assert max(factors) == pytest.approx(1.0)


def test_the_horizon_belongs_to_the_schedule(evaluator: Training) -> None:
    short = evaluator.evaluate([SMALL], Budget(epochs=2))[0]
    long = evaluator.evaluate([SMALL], Budget(epochs=2, horizon=20))[0]
    assert short.metrics["loss"] != long.metrics["loss"]
    assert long.epochs == 2


def test_shifting_moves_every_image_within_reach() -> None:
    images = torch.zeros(200, 2, 8, 16)
    images[:, 0, 4, 8], images[:, 1, 4, 8] = 1.0, 2.0
    moved = shift(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    places = moved[:, 0].flatten(1).argmax(1)
    rows, columns = places // 16 - 4, places % 16 - 8
    assert rows.unique().tolist() == columns.unique().tolist() == [-2, -1, 0, 1, 2]  # 16 / 8
    assert len(torch.stack([rows, columns]).unique(dim=1).T) > 15  # both axes on their own
    assert torch.equal(moved[:, 1], 2 * moved[:, 0])  # channels move together
    assert torch.equal(moved.sum((1, 2, 3)), torch.full((200,), 3.0))


def test_measuring_equals_the_plain_formula() -> None:
    x, y = torch.randn(2500, 4), torch.randint(0, 3, (2500,))  # three slices
    network = torch.nn.Linear(4, 3)
    found = measure(network, x, y)
    logits = network(x).detach()
    assert found["accuracy"] == (logits.argmax(1) == y).sum().item() / 2500
    expected = torch.nn.functional.cross_entropy(logits, y).item()
    assert math.isclose(found["loss"], expected, rel_tol=1e-5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_trains_alike_where_the_caller_acts_without_gradients(mode):
    task = TASKS.get("wine")()
    space = SPACES.get("mlp")(task.spec.input_shape, task.spec.num_outputs)
    candidate = space.decode(space.sample(np.random.default_rng(0)))
    budget = Budget(epochs=2)
    plain = Training(task).evaluate([candidate], budget)[0]
    with mode():
        inside = Training(TASKS.get("wine")()).evaluate([candidate], budget)[0]
    assert plain.ok and inside.metrics == plain.metrics
