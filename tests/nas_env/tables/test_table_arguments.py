"""What the environments of tables are asked for: what is refused, and what is made of the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.errors import IncompatibleError, InvalidSettingError, NASError, UnknownNameError
from nas_env.tables import TABLES, Table

MakeEnv = Callable[..., gym.Env[Any, Any]]


def test_an_unknown_name_is_refused_with_its_choices(make_env: MakeEnv) -> None:
    for settings, message in (
        ({"dataset": "cifar11"}, r"data set of 'nasbench201' 'cifar11'. Did you mean 'cifar10'"),
        ({"reward": "val_200"}, r"column of table .* 'val_200'. Did you mean .*Known: test_12"),
        ({"report": "test"}, r"column of table .* 'test'"),
        ({"hardware": "edgegpus"}, r"device of table .* 'edgegpus'. Did you mean 'edgegpu'"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            make_env("NASBench201-v0", **settings)
    for unnamed in ("", ["val_12"], 5):
        for name in ("reward", "report", "dataset"):
            with pytest.raises(UnknownNameError, match=r"(column|data set) of .*Known: "):
                make_env("NASBench201-v0", **{name: unnamed})
    for settings, message in (
        ({"fidelity": 100}, "no fidelity of 100 epochs. Known: 12"),
        ({"fidelity": 0}, "fidelity: .*epochs must be an integer >= 1, got 0"),
        ({"fidelity": "12"}, "fidelity: .*epochs must be an integer >= 1, got '12'"),
        ({"run": 1}, "Run 1 selects one of several trainings .* one value per network"),
        ({"run": "random"}, "'random' selects one of several trainings"),
        ({"budget": 7}, "budget must be a Budget or a dict, got 7"),
        ({"max_params": "90000"}, "max_params must be an integer, got '90000'"),
        ({"max_params": 9e4}, "max_params must be an integer, got 90000"),
        ({"fidelity": 12, "budget": {"epochs": 12}}, "Give one of them"),
    ):
        with pytest.raises(InvalidSettingError, match=message):
            make_env("NASBench201-v0", **settings)
    for run in (4, 0, True, 1.0, "1", np.array([1, 2])):
        with pytest.raises(InvalidSettingError, match=r"Use 1, 2, 3, 'mean' or 'random'"):
            make_env("NASBenchMacro-v0", run=run)


def test_integers_of_numpy_are_integers(make_env: MakeEnv) -> None:
    env = make_env("NASChain-v0", fidelity=np.int64(4), run=np.int16(2), max_params=np.int32(5000))
    plain = make_env("NASChain-v0", fidelity=4, run=2, max_params=5000)
    found = []
    for each in (env, plain):
        inner: Any = each.unwrapped
        assert (inner.fidelity, inner.evaluator.run) == (4, 2)
        each.reset(seed=3, options={"fidelity": np.int64(2)})
        while "evaluation" not in (info := each.step(0)[-1]):
            pass
        found.append((info["evaluation"], repr(inner.episode_budget)))
    assert found[0] == found[1]


def test_reset_options_are_a_dict(make_env: MakeEnv) -> None:
    with pytest.raises(InvalidSettingError, match="options must be a dict or None, got 5"):
        make_env("NASChain-v0").reset(options=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("reward", "epochs"), [("val_2", 2), ("-val_2", 2), ("test", 6)])
def test_a_named_reward_has_one_fidelity(make_env: MakeEnv, reward: str, epochs: int) -> None:
    env: Any = make_env("NASChain-v0", reward=reward).unwrapped
    assert env.evaluator.fidelities == (env.fidelity,) == (epochs,)
    env.reset(seed=0)
    while "evaluation" not in (info := env.step(int(env.action_masks().argmax()))[-1]):
        pass
    table, found = env.evaluator.table, info["evaluation"]
    row = env.evaluator.rows(np.array([tokens_of(env.candidate.walk, table)]))[0]
    assert found["simulated_seconds"] == table.seconds[epochs][row]
    assert found["reward"] == table.column(reward)[row, 0]
    with pytest.raises(InvalidSettingError, match=f"no fidelity of 3 .*{reward}.* Known: {epochs}"):
        env.reset(options={"fidelity": 3})


def tokens_of(walk: tuple[int, ...], table: Table) -> list[int]:
    return [x + 1 for x in walk] + [0] * (table.walks.shape[1] - len(walk))


def test_metrics_are_no_rewards_and_what_a_table_lacks_is_not_offered(make_env: MakeEnv) -> None:
    with pytest.raises(UnknownNameError, match=r"'params' is a metric .* max_params.*: test_12"):
        make_env("NASBench201-v0", reward="-params")
    with pytest.raises(InvalidSettingError, match="'chain-bench' has no devices"):
        make_env("NASChain-v0", hardware="all")
    for name, offered in (
        ("NASBench201-v0", {"dataset", "hardware"}),
        ("NASChain-v0", {"run"}),
        ("NASBenchGraph-v0", {"dataset"}),
        ("NASTable-v0", {"path", "decisions"}),
    ):
        with pytest.raises(UnknownNameError, match=f"{name} has no argument 'nothing'") as error:
            make_env(name, nothing=1)
        known = set(str(error.value).split("Known: ")[1].rstrip(".").split(", "))
        assert known & {"dataset", "hardware", "run", "path", "decisions"} == offered


def test_networks_of_a_table_are_trained_only_on_what_is_named(make_env: MakeEnv) -> None:
    with pytest.raises(InvalidSettingError, match=r"NASBench201-v0 uses the space of its table"):
        make_env("NASBench201-v0", evaluator="training", task="digits", space="chain")
    for name in ("NASBench201-v0", "NASBenchMacro-v0"):
        with pytest.raises(InvalidSettingError, match=r"those of 'cifar10'.*Give task=NAME or"):
            make_env(name, evaluator="training")
        made: Any = make_env(name, evaluator="training", task="digits").unwrapped
        assert made.task.spec.name == "digits"
    own: Any = make_env("NASChain-v0", evaluator="training").unwrapped
    assert own.task.spec.name == "mnist-small"


LAYERED = ("NASChain-v0", "NASBench201-v0", "NASBenchMacro-v0")


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("NASBench201-v0", {"datset": "cifar10"}, UnknownNameError, "Did you mean 'dataset'"),
        ("NASBench201-v0", {"path": "x"}, UnknownNameError, "201-v0 has no argument 'path'"),
        ("NASChain-v0", {"dataset": "cora"}, UnknownNameError, "Known: budget, edit_reward, eval"),
        ("NASBench201-v0", {"max_edits": 3}, UnknownNameError, "'max_edits'"),
        ("NASTable-v0", {"decisions": None}, InvalidSettingError, "'file' needs decisions"),
        ("NASChain-v0", {"task": "wine"}, InvalidSettingError, "so task would have no effect"),
        ("NASChain-v0", {"space": "mlp"}, InvalidSettingError, "so space would have no effect"),
        (
            "NASChain-v0",
            {"data": "x", "store": "y"},
            InvalidSettingError,
            "so store and data would",
        ),
        ("NASBenchGraph-v0", {"device": "cpu"}, InvalidSettingError, "Leave out device.$"),
        ("NASChain-v0", {"precision": "auto"}, InvalidSettingError, "evaluator='training'"),
        ("NASChain-v0", {"edit_reward": "best"}, InvalidSettingError, "Add mdp='edit'"),
        ("NASBench201-v0", {"objective": "negative-loss"}, IncompatibleError, "needs loss, which"),
        ("NASTable-v0", {"objective": "accuracy"}, IncompatibleError, "needs accuracy, which"),
        (
            "NASTable-v0",
            {"objective": "accuracy-under-cost"},
            IncompatibleError,
            "needs accuracy and params",
        ),
        ("NASChain-v0", {"mdp": "edit", "start": "best"}, IncompatibleError, "needs a store"),
        ("NASChain-v0", {"mdp": "edit", "inherit": True}, IncompatibleError, "trained weights"),
        (
            "NASBench201-v0",
            {"mdp": "edit", "observation": "loss-bins"},
            IncompatibleError,
            "'loss-bins' needs loss",
        ),
        (
            "NASBench201-v0",
            {"mdp": "edit", "observation": "accuracy-bins", "reward": "-val_12"},
            IncompatibleError,
            "'accuracy-bins' needs accuracy",
        ),
        *(
            ("NASBench201-v0", {"evaluator": "synthetic", **useless}, InvalidSettingError, message)
            for useless, message in (
                ({"dataset": "cifar10"}, "so dataset would have no effect"),
                ({"reward": "val_12", "run": 1}, "so reward and run would have no effect"),
                ({"report": "test_12"}, "so report would have no effect"),
                ({"hardware": "all"}, "so hardware would have no effect"),
                ({"edit_reward": "best"}, "Add mdp='edit'"),
            )
        ),
    ],
)
def test_arguments_without_effect_are_refused(
    make_env: MakeEnv, name: str, settings: dict[str, Any], error: type[NASError], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_env(name, **settings)


def test_a_mistake_within_a_table_is_not_taken_for_the_users(
    make_env: MakeEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Table:
        raise TypeError("an argument of my own")

    monkeypatch.setitem(TABLES._entries, "nasbench-macro", broken)
    with pytest.raises(TypeError, match="of my own"):
        make_env("NASBenchMacro-v0")


def test_losses_may_be_scored_and_observed_where_they_are_known(make_env: MakeEnv) -> None:
    make_env("NASChain-v0", objective="negative-loss")
    make_env("NASChain-v0", objective="accuracy-under-cost")
    make_env("NASChain-v0", mdp="edit", observation="loss-bins", edit_reward="best")


def test_a_reward_with_its_sign_turned_is_not_cut_off(make_env: MakeEnv) -> None:
    for objective in (None, "reward"):
        env: Any = make_env("NASBench201-v0", reward="-val_12", objective=objective).unwrapped
        column = env.evaluator.table.column("val_12")
        assert env.objective.bounds == (-column.max(), -column.min())
        env.reset(seed=0)
        for _ in range(6):
            _, reward, *_, info = env.step(3)
        assert reward == info["evaluation"]["reward"] < 0
        assert "accuracy" not in info["evaluation"]


@pytest.mark.parametrize("name", LAYERED)
def test_other_evaluators_get_the_tables_own_epochs(make_env: MakeEnv, name: str) -> None:
    own: Any = make_env(name).unwrapped
    for settings in ({}, {"budget": {"max_seconds": 60}}):
        env: Any = make_env(name, evaluator="synthetic", **settings).unwrapped
        assert (env.budget.epochs, env.budget.horizon) == (own.fidelity, None)
    first: Any = make_env(name, evaluator="synthetic", fidelity=1).unwrapped
    assert (first.budget.epochs, first.budget.horizon) == (1, own.fidelity)
