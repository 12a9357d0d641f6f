"""`Halving`: who is promoted, what is asked for, and that networks go on where they were."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget, Outcome
from nas_env.evaluators import EVALUATORS, Cached, Halving, with_store
from nas_env.evaluators.tabular import Tabular
from nas_env.evaluators.training import Training
from nas_env.objectives import Accuracy
from nas_env.spaces import SearchSpace
from nas_env.store import MemoryStore, SQLStore
from nas_env.tables import TABLES, TableTask
from nas_env.tasks import Task
from tests.nas_env.evaluators.fidelity_doubles import Written, network, three, trained_recipes

NINE = Budget(epochs=9)


def rising(order: dict[int, float]) -> dict[int, list[float]]:
    """Return curves of nine epochs that rise to the numbers given."""
    return {width: [top * epoch / 9 for epoch in range(1, 10)] for width, top in order.items()}


@pytest.mark.parametrize(
    ("epochs", "eta", "least", "rungs"),
    [
        (9, 3, 1, (1, 3, 9)),
        (6, 3, 1, (1, 2, 6)),
        (8, 3, 1, (1, 2, 8)),
        (10, 3, 1, (1, 3, 10)),
        (10, 3, 2, (2, 3, 10)),
        (10, 3, 4, (4, 10)),
        (16, 2, 1, (1, 2, 4, 8, 16)),
        (1, 3, 1, (1,)),
        (3, 3, 5, (3,)),
    ],
)
def test_rungs(epochs: int, eta: int, least: int, rungs: tuple[int, ...]) -> None:
    halving = Halving(Written({}), eta=eta, min_epochs=least)
    assert halving.rungs(Budget(epochs=epochs)) == rungs


def test_one_in_three_is_promoted_in_one_call_a_rung_on_the_schedule_of_all() -> None:
    written = Written(rising({width: width / 30 for width in range(1, 28)}))
    found = Halving(written).evaluate([network(x) for x in range(1, 28)], NINE)
    assert written.asked == [
        (1, list(range(1, 28))),
        (3, list(range(19, 28))),
        (9, [25, 26, 27]),
    ]
    assert {budget.schedule_epochs for budget, _ in written.calls} == {9}
    assert [x.epochs for x in found] == [1] * 18 + [3] * 6 + [9] * 3
    assert [len(x.curve) for x in found] == [x.epochs for x in found]
    assert found[-1].metrics["accuracy"] == pytest.approx(27 / 30)
    assert sum(x.epochs for x in found) <= 27 * 9 / 3


def test_the_schedule_may_be_longer_than_the_budget() -> None:
    written = Written(rising({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}))
    Halving(written).evaluate([network(x) for x in (1, 2, 3, 4)], Budget(epochs=3, horizon=9))
    assert [(x.epochs, x.schedule_epochs) for x, _ in written.calls] == [(1, 9), (3, 9)]


def test_ranks_are_of_each_rung_and_the_earlier_of_equals_goes_on() -> None:
    curves = {
        1: [0.5, 0.5, 0.1] + [0.1] * 6,  # falls back
        2: [0.4, 0.4, 0.4] + [0.4] * 6,
        3: [0.4, 0.9, 0.9] + [0.9] * 6,  # as good as 2 after one epoch, but later in the batch
        4: [0.3] * 9,
        5: [0.2] * 9,
        6: [0.1] * 9,
    }
    written = Written(curves)
    Halving(written, eta=3).evaluate([network(x) for x in (4, 1, 2, 3, 5, 6)], NINE)
    assert written.asked == [(1, [4, 1, 2, 3, 5, 6]), (3, [1, 2]), (9, [2])]


def test_a_failure_is_never_promoted_and_is_the_answer() -> None:
    curves = rising({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 5: 0.5, 6: 0.6})
    curves[6] = [-1.0] * 9  # fails at once
    curves[5][1] = -1.0  # fails in its second epoch
    written = Written(curves)
    found = Halving(written).evaluate([network(x) for x in range(1, 7)], NINE)
    assert written.asked == [(1, [1, 2, 3, 4, 5, 6]), (3, [4, 5]), (9, [4])]
    assert [x.outcome == Outcome.OK for x in found] == [True] * 4 + [False] * 2
    assert found[3].epochs == 9


def test_a_batch_of_failures_ends() -> None:
    written = Written({width: [-1.0] * 9 for width in range(1, 7)})
    found = Halving(written).evaluate([network(x) for x in range(1, 7)], NINE)
    assert len(written.calls) == 1
    assert all(x.outcome is Outcome.DIVERGED for x in found)


def test_equal_candidates_are_one() -> None:
    written = Written(rising({1: 0.1, 2: 0.2, 3: 0.3}))
    found = Halving(written).evaluate([network(x) for x in (3, 1, 3, 2, 3)], NINE)
    assert written.asked == [(1, [3, 1, 2]), (9, [3])]
    assert found[0] == found[2] == found[4]
    assert [x.epochs for x in found] == [9, 1, 9, 1, 9]


def test_one_alone_goes_all_the_way() -> None:
    written = Written(rising({1: 0.1, 2: 0.2}))
    halving = Halving(written)
    assert halving.evaluate([network(1)], NINE)[0].epochs == 9
    assert halving.submit(network(2), NINE).result().epochs == 9
    assert [x.epochs for _, x in halving.stream([network(1), network(2)], NINE)] == [9, 9]
    assert {epochs for epochs, _ in written.asked} == {9}
    assert halving.evaluate([], NINE) == []


def test_the_objective_decides() -> None:
    """Under a cost, the small network goes on although its accuracy is lower."""
    curves = rising({10: 0.80, 100_000: 0.81, 90_000: 0.1})
    for objective, promoted in (("accuracy", 100_000), ("accuracy-under-cost", 10)):
        written = Written(curves)
        Halving(written, objective).evaluate([network(x) for x in curves], NINE)
        assert written.asked[-1] == (9, [promoted])


def test_left_out_the_objective_is_the_environments(make_env: Callable[..., Any]) -> None:
    env = make_env(evaluator=Halving(Written({})), objective="accuracy-under-cost")
    assert env.unwrapped.evaluator.objective is env.unwrapped.objective
    own = Accuracy()
    env = make_env(evaluator=Halving(Written({}), own), objective="accuracy-under-cost")
    assert env.unwrapped.evaluator.objective is own


def test_the_store_is_put_inside_and_keeps_every_rung(tmp_path: Path) -> None:
    written, store = Written(rising({x: x / 30 for x in range(1, 10)})), MemoryStore()
    halving = Halving(written)
    assert with_store(halving, store, Accuracy(), False) is halving
    assert isinstance(halving.evaluator, Cached)
    batch = [network(x) for x in range(1, 10)]
    found = halving.evaluate(batch, NINE)
    assert len(store) == 9 + 3 + 1
    calls = len(written.calls)
    assert Halving(Cached(written, store)).evaluate(batch, NINE) == found
    assert len(written.calls) == calls, "something was evaluated again"


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InvalidSettingError, match="eta must be >= 2, got 1"):
        Halving(Written({}), eta=1)
    with pytest.raises(InvalidSettingError, match="min_epochs must be >= 1, got 0"):
        Halving(Written({}), min_epochs=0)
    with pytest.raises(UnknownNameError, match="Did you mean 'accuracy'"):
        Halving(Written({}), "acuracy")


# ---- over tables ----


def test_over_a_table_with_a_fidelity_for_each_epoch() -> None:
    table = TABLES.get("chain-bench")()
    space, rng = table.make_space(None), np.random.default_rng(0)
    walks = dict.fromkeys(space.sample(rng, by="walks") for _ in range(40))
    batch = [space.decode(walk) for walk in list(walks)[:27]]
    tabular = Tabular(TableTask(table))
    found = Halving(tabular).evaluate(batch, Budget(epochs=6))
    assert sorted(x.epochs for x in found) == [1] * 18 + [2] * 6 + [6] * 3
    first = [x.metrics["accuracy"] for x in tabular.evaluate(batch, Budget(epochs=1))]
    promoted = [value for value, x in zip(first, found, strict=True) if x.epochs > 1]
    assert sorted(first)[-9:] == sorted(promoted)
    seconds = [x.metrics["simulated_seconds"] for x in found]
    assert sum(seconds) < sum(
        x.metrics["simulated_seconds"] for x in tabular.evaluate(batch, Budget(epochs=6))
    )


def test_rungs_are_epochs_that_the_table_knows() -> None:
    table = TABLES.get("nasbench201")(dataset="cifar10")
    halving = Halving(Tabular(TableTask(table), fidelity=200))
    assert halving.rungs(Budget(epochs=200)) == (12, 200)
    halving.check(Budget(epochs=200))
    with pytest.raises(InvalidSettingError, match="no fidelity of 100 epochs"):
        halving.check(Budget(epochs=100))


def test_lanes_that_finish_together_are_one_batch() -> None:
    table = TABLES.get("nasbench201")(dataset="cifar10")
    tabular = Tabular(TableTask(table), fidelity=200)
    settings = {"space": table.make_space(None), "task": tabular.task, "budget": {"epochs": 200}}
    full, halved = (
        gym.make_vec("NAS-v0", num_envs=27, evaluator=evaluator, objective="reward", **settings)
        for evaluator in (tabular, Halving(tabular, "reward"))
    )
    rewards = []
    for envs in (full, halved):
        envs.reset(seed=0)
        for step in range(6):
            _, reward, over, *_ = envs.step(np.arange(27) // 5**step % 5)
        assert over.all()
        rewards.append(reward)
    assert (rewards[0] == rewards[1]).sum() == 9


# ---- over training ----


def numbers(evaluations: list[Any]) -> list[Any]:
    return [replace(x, seconds=0.0) for x in evaluations]


def test_over_training_networks_go_on_from_their_checkpoints(
    tmp_path: Path,
    make_task: Callable[[str], Task],
    make_space: Callable[..., SearchSpace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nas_env.tasks._loop import Loop

    epochs = []
    original = Loop._epoch
    monkeypatch.setattr(Loop, "_epoch", lambda *x: epochs.append(x[1]) or original(*x))
    task, space = make_task("wine"), make_space("mlp", (13,), 3)
    rng = np.random.default_rng(0)
    batch = [space.decode(space.sample(rng)) for _ in range(9)]
    store = SQLStore(tmp_path / "store.sqlite")
    training = Training(task, "cpu", checkpoints=tmp_path / "checkpoints")
    halving = with_store(Halving(training), store, Accuracy(), False)
    found = halving.evaluate(batch, NINE)
    assert len(epochs) == sum(x.epochs for x in found) == 6 * 1 + 2 * 3 + 1 * 9
    plain = Training(task, "cpu")
    for candidate, evaluation in zip(batch, found, strict=True):
        budget = NINE.at_fidelity(evaluation.epochs)
        assert numbers([evaluation]) == numbers(plain.evaluate([candidate], budget))
        assert len(evaluation.curve) == evaluation.epochs
    assert len(list((tmp_path / "checkpoints").iterdir())) == 8


@pytest.mark.parametrize("inherited", [False, True])
def test_epochs_that_were_trained_again_are_charged(
    inherited: bool,
    tmp_path: Path,
    make_task: Callable[[str], Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without checkpoints, and with a parent's weights, each rung begins anew."""
    recipes = trained_recipes(monkeypatch)
    training = Training(make_task("wine"), "cpu", checkpoints=tmp_path if inherited else None)
    recipe, batch = three(inherited)
    found = Halving(training).evaluate(batch, Budget(epochs=3))
    assert sorted(x.epochs for x in found) == [1, 1, 1 + 3]
    assert recipes.count(recipe) == sum(x.epochs for x in found)
    assert sorted(len(x.curve) for x in found) == [1, 1, 3]


def test_seconds_of_rungs_that_begin_anew_are_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(rising({x: x / 30 for x in range(1, 10)}))
    batch = [network(x) for x in range(1, 10)]
    assert max(x.seconds for x in Halving(written).evaluate(batch, NINE)) == 9
    monkeypatch.setattr(written, "continues", lambda _: False)
    assert max(x.seconds for x in Halving(written).evaluate(batch, NINE)) == 1 + 3 + 9


def test_by_name_it_has_a_folder_that_goes_with_it(make_task: Callable[[str], Task]) -> None:
    made = EVALUATORS.get("halving")(task=make_task("wine"), device="cpu")
    training = made.unwrapped
    assert isinstance(training, Training) and training.checkpoints is not None
    folder = training.checkpoints.folder
    assert folder.is_dir()
    pickle.loads(pickle.dumps(made))
    assert folder.is_dir(), "a copy took the folder along"
    del made, training
    assert not folder.exists()


@pytest.mark.parametrize("name", ["halving", "median-stopping"])
def test_an_environment_takes_the_name(name: str) -> None:
    env = gym.make("NAS-v0", space="mlp", evaluator=name, budget={"epochs": 2}, precision="auto")
    env.reset(seed=0)
    over = False
    while not over:
        _, reward, over, _, info = env.step(env.unwrapped.space.num_decisions - 1)
    assert 0 < reward <= 1
    assert info["evaluation"]["outcome"] == "ok"
    assert pickle.loads(pickle.dumps(env.unwrapped)).store is not None
