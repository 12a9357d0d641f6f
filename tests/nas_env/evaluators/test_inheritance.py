"""Weights that pass to an edited network: what is copied, the key, the same numbers again."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest
import torch

from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget
from nas_env.evaluators._inheritance import KEPT, corresponding, inherit, weights_of
from nas_env.evaluators.training import Training
from nas_env.network import build
from nas_env.tasks import Task, TaskSpec

SPEC = TaskSpec("probe", 1, "image", (1, 8, 8), 10)
A = Layer.of("conv", channels=4, kernel=3)
B = Layer.of("conv", channels=8, kernel=3)
POOL = Layer.of("max-pool", kernel=2, stride=2)
DROP = Layer.of("dropout", rate=0.2)
BUDGET = Budget(epochs=1)


def outputs(network: torch.nn.Module) -> torch.Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        return network.eval()(torch.randn(3, 1, 8, 8))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "edited", [(A, DROP, POOL, B), (A, POOL, DROP, B), (A, POOL, B, DROP), (A, POOL, B)]
)
def test_an_edit_that_keeps_the_function_keeps_the_outputs(edited: tuple[Layer, ...]) -> None:
    for before, after in (((A, POOL, B), edited), (edited, (A, POOL, B))):
        torch.manual_seed(0)
        old, new = Architecture(before), Architecture(after)
        parent, child = build(old, SPEC), build(new, SPEC)
        for module in parent.modules():  # as after training: moments that are not the first ones
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean)
        if edited != (A, POOL, B):
            assert not torch.equal(outputs(parent), outputs(child))
        assert inherit(child, new, old, weights_of(parent)) > 0
        assert torch.equal(outputs(parent), outputs(child))


def test_what_has_another_shape_starts_anew() -> None:
    old, new = Architecture((A, POOL, B)), Architecture((A, POOL, replace_channels(B, 16)))
    parent, child = build(old, SPEC), build(new, SPEC)
    fresh = weights_of(child)
    inherit(child, new, old, weights_of(parent))
    now, theirs = weights_of(child), weights_of(parent)
    assert torch.equal(now[0]["0.weight"], theirs[0]["0.weight"])
    assert torch.equal(now[2]["0.weight"], fresh[2]["0.weight"])
    assert torch.equal(now[3]["1.bias"], theirs[3]["1.bias"])  # the classifier's bias still fits


def replace_channels(layer: Layer, channels: int) -> Layer:
    return Layer.of(layer.kind, **{**dict(layer.settings), "channels": channels})


@pytest.mark.parametrize(
    ("child", "parent", "pairs"),
    [
        ((A, B), (A, B), [(0, 0), (1, 1), (2, 2)]),
        ((A, A, B), (A, B), [(0, 0), (2, 1), (3, 2)]),
        ((A,), (A, B), [(0, 0), (1, 2)]),
        ((A, POOL, B), (A, DROP, B), [(0, 0), (2, 2), (3, 3)]),
        ((A, B), (B, B), [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_corresponding_layers(
    child: tuple[Layer, ...], parent: tuple[Layer, ...], pairs: list[tuple[int, int]]
) -> None:
    assert list(corresponding(child, parent)) == pairs


def test_the_parent_joins_the_key_and_goes_through_json() -> None:
    parent = Candidate(Architecture((A,)))
    child = Candidate(Architecture((A, B)), parent=parent)
    assert child.key != Candidate(Architecture((A, B))).key
    assert child.key != replace(child, parent=Candidate(Architecture((B,)))).key
    assert Candidate.from_json(child.to_json()) == child
    assert "parent" not in parent.to_json()


def test_the_same_numbers_whether_the_parent_is_at_hand_or_not(
    make_task: Callable[[str], Task],
) -> None:
    task = make_task("digits")
    first = Candidate(Architecture((A, POOL)))
    second = Candidate(Architecture((A, DROP, POOL)), parent=first)
    third = Candidate(Architecture((A, DROP, POOL, B)), parent=second)
    warm, cold = Training(task, "cpu"), Training(task, "cpu")
    chain = [warm.evaluate([x], BUDGET)[0].metrics for x in (first, second, third)]
    assert cold.evaluate([third], BUDGET)[0].metrics == chain[2]
    assert pickle.loads(pickle.dumps(warm)).evaluate([third], BUDGET)[0].metrics == chain[2]
    alone = warm.evaluate([replace(second, parent=None)], BUDGET)[0].metrics
    assert chain[1]["loss"] < alone["loss"]  # one epoch more in all


def test_a_child_of_a_failure_starts_anew(make_task: Callable[[str], Task]) -> None:
    impossible = Candidate(Architecture((POOL, POOL, POOL, POOL)))
    child = Candidate(Architecture((A,)), parent=impossible)
    evaluator = Training(make_task("digits"), "cpu")
    alone = evaluator.evaluate([replace(child, parent=None)], BUDGET)[0]
    assert evaluator.evaluate([child], BUDGET)[0].metrics == alone.metrics


def test_only_the_latest_weights_are_kept(make_task: Callable[[str], Task]) -> None:
    evaluator = Training(make_task("digits"), "cpu")
    for channels in (2, 3):
        evaluator.evaluate([Candidate(Architecture((replace_channels(A, channels),)))], BUDGET)
    kept: Any = evaluator._kept
    assert len(kept._weights) == 1
    assert kept.most == 1 < KEPT


def test_inheritance_in_the_environment(tmp_path: Any) -> None:
    def scores(inherit: bool, store: Any) -> list[float]:
        env: Any = gym.make(
            "NASEdit-v0",
            inherit=inherit,
            store=store,
            budget={"epochs": 1},
            device="cpu",
            observation="loss-bins",
        )
        env.reset(seed=2)
        found = [env.unwrapped.state.score]
        for action in (8, 5, 3):
            found.append(float(env.step(action)[1]))
        return found

    plain = scores(False, None)
    cold = scores(True, tmp_path / "store.sqlite")
    assert cold == scores(True, tmp_path / "store.sqlite") == scores(True, None)
    assert cold[0] == plain[0]
    assert cold[1:] != plain[1:]


def test_a_parent_that_is_too_large_is_not_trained_for_its_child(
    make_task: Callable[[str], Task],
) -> None:
    parent = Candidate(Architecture((replace_channels(A, 64), replace_channels(A, 64))))
    child = Candidate(Architecture((A,)), parent=parent)
    limited = Budget(epochs=1, max_memory_mb=2)
    evaluator = Training(make_task("digits"), "cpu")
    assert evaluator.evaluate([parent], limited)[0].outcome == "too_large"
    alone = evaluator.evaluate([replace(child, parent=None)], limited)[0]
    assert alone.ok
    assert evaluator.evaluate([child], limited)[0].metrics == alone.metrics
