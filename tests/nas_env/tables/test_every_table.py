"""The contract of every table, and of the environments and the evaluator that answer from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.errors import (
    IncompatibleError,
    InvalidDataError,
    InvalidSettingError,
)
from nas_env.evaluation import Budget
from nas_env.evaluators.tabular import Tabular, drawn_runs
from nas_env.objectives import OBJECTIVES, Accuracy
from nas_env.objectives.reward import Reward
from nas_env.tables import TABLES, Table, TableTask
from nas_env.tables import base as tables_base

MakeEnv = Callable[..., gym.Env[Any, Any]]
PUBLISHED = [name for name in TABLES if name != "file"]


def tokens(walks: np.ndarray) -> np.ndarray:
    return walks.astype(np.int64) + 1


@pytest.fixture(scope="module", params=PUBLISHED)
def table(request: pytest.FixtureRequest) -> Table:
    return TABLES.get(request.param)()


@pytest.fixture
def tabular(table: Table) -> Tabular:
    return Tabular(TableTask(table))


def test_rows_are_the_walks_of_the_space(table: Table) -> None:
    space = table.make_space(None)
    assert space.size() == len(table.walks)
    lengths = (table.walks >= 0).sum(axis=1)
    for row in np.random.default_rng(0).integers(len(table.walks), size=200):
        assert space.check(table.walks[row][: lengths[row]].tolist()) is None
    assert len(np.unique(table.walks, axis=0)) == len(table.walks)


def test_features_tell_the_states_of_a_tree_apart(table: Table) -> None:
    space = table.make_space(None)
    if not space.automaton().is_tree:
        pytest.skip("other walks lead to one state")
    rows = np.array([space.features(state) for state in space.automaton().states])
    assert len(np.unique(rows, axis=0)) == space.automaton().num_states
    assert rows.min() >= 0 and rows.max() <= 1


def test_columns_are_whole_and_fractions(table: Table) -> None:
    for name, column in table.columns.items():
        assert len(column) == len(table.walks), name
        assert 0 <= column.min() < column.max() <= 1, name
    for numbers in (*table.seconds.values(), *table.losses.values()):
        assert numbers.min() > 0
    assert table.report in table.columns
    assert set(table.rewards.values()) <= set(table.columns)
    assert table.fidelity in table.fidelities


def test_parameters_are_those_of_the_space(table: Table) -> None:
    automaton = table.make_space(None).automaton()
    if automaton.cost is None:
        pytest.skip("the space of this table knows no parameters")
    node = spent = np.zeros(len(table.walks), dtype=np.int64)
    for decision in table.walks.T:
        going = decision >= 0
        spent = spent + np.where(going, automaton.cost[node, decision], 0)
        node = np.where(going, automaton.next_state[node, decision], node)
    assert np.array_equal(spent, table.metrics["params"])


def test_records_and_arrays_agree(table: Table, tabular: Tabular) -> None:
    space, budget = table.make_space(None), Budget(epochs=table.fidelity)
    rows = np.random.default_rng(1).integers(len(table.walks), size=50)
    lengths = (table.walks >= 0).sum(axis=1)
    walks = [tuple(table.walks[row][: lengths[row]].tolist()) for row in rows]
    found = tabular.evaluate([space.decode(walk) for walk in walks], budget)
    seeds = np.zeros(50, dtype=np.int64)
    scores = tabular.scores(tokens(table.walks[rows]), Reward(), budget, seeds)
    assert scores is not None
    assert np.array_equal(tabular.rows(tokens(table.walks[rows])), rows)
    assert scores.tolist() == [Reward().score(x) for x in found]
    assert tabular.scores(tokens(table.walks[rows]), Accuracy(), budget, seeds) is None


def test_regrets_are_distances_to_each_columns_own_best(table: Table, tabular: Tabular) -> None:
    space, budget = table.make_space(None), Budget(epochs=table.fidelity)
    view = tabular.view(budget)
    best = {}
    for name, column in (("reward", view.reward), ("report", view.report)):
        row = int(column.argmax())
        walk = tuple(x for x in table.walks[row].tolist() if x >= 0)
        best[name] = tabular.evaluate([space.decode(walk)], budget)[0].metrics
        assert best[name][f"regret_{name}"] == 0
        assert best[name][name] == column.max()
    other = best["reward"]
    assert other["regret_report"] == view.report.max() - other["report"] >= 0


def test_every_fidelity_rewards_its_column(table: Table) -> None:
    for epochs in table.fidelities:
        tabular = Tabular(TableTask(table), fidelity=epochs)
        column = table.column(table.rewards[epochs])
        expected = column if column.ndim == 1 else column[:, int(table.run) - 1]
        assert np.array_equal(tabular.view(Budget(epochs=epochs)).reward, expected)
    with pytest.raises(InvalidSettingError, match=r"no fidelity of 77 epochs. Known: "):
        tabular.view(Budget(epochs=77))


def macro(run: int | str) -> tuple[Tabular, np.ndarray]:
    table = TABLES.get("nasbench-macro")()
    return Tabular(TableTask(table), run=run), table.column("test")


@pytest.mark.parametrize("run", [1, 2, np.int64(3)])
def test_the_report_leaves_out_the_run_that_is_rewarded(run: int) -> None:
    tabular, runs = macro(run)
    view = tabular.view(Budget(epochs=50))
    assert np.array_equal(view.reward, runs[:, run - 1])
    assert view.report == pytest.approx(np.delete(runs, run - 1, axis=1).mean(axis=1))


def test_the_mean_of_runs_is_rewarded_and_reported() -> None:
    tabular, runs = macro("mean")
    view = tabular.view(Budget(epochs=50))
    assert view.reward == pytest.approx(runs.mean(axis=1))
    assert view.report == pytest.approx(runs.mean(axis=1))
    assert not tabular.draws


def test_random_runs_are_drawn_for_each_network_and_seed() -> None:
    tabular, runs = macro("random")
    assert tabular.draws
    one, again, other = (tabular.view(Budget(epochs=50, training_seed=seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.run, again.run)
    assert 0.2 < (one.run == other.run).mean() < 0.5
    shares = np.bincount(one.run) / len(one.run)
    assert len(shares) == 3 and np.abs(shares - 1 / 3).max() < 0.03
    rows = np.arange(len(runs))
    assert np.array_equal(one.reward, runs[rows, one.run])
    assert one.report == pytest.approx((runs.sum(axis=1) - one.reward) / 2)
    seeds = np.full(len(rows), 5)
    scores = tabular.scores(tokens(tabular.table.walks), Reward(), Budget(epochs=50), seeds)
    assert np.array_equal(scores, one.reward)
    networks = tabular.table.networks
    assert networks is not None and len(np.unique(networks)) == 3969
    assert np.array_equal(drawn_runs(networks, seeds, 3), one.run)
    walks = {tuple(walk): row for row, walk in enumerate(tabular.table.walks.tolist())}
    twins = [walks[2, 2, 2, 1, 2, 2, 2, 0], walks[2, 2, 2, 1, 2, 2, 0, 2]]  # one network
    assert one.run[twins[0]] == one.run[twins[1]]


def test_a_seeded_reset_draws_the_runs_anew(make_env: MakeEnv) -> None:
    def rewards(env: gym.Env[Any, Any], seed: int | None) -> list[float]:
        found = []
        for walk in range(12):
            env.reset(seed=seed if walk == 0 else None)
            for decision in (walk % 3, 2, 1, 2, walk % 2, 2, 1, walk // 4):
                _, reward, *_ = env.step(decision)
            found.append(float(reward))
        return found

    env = make_env("NASBenchMacro-v0", run="random")
    first = rewards(env, 1)
    assert rewards(env, None) == first  # the same draw until the next seed
    assert rewards(env, 2) != first
    assert rewards(env, 1) == first == rewards(make_env("NASBenchMacro-v0", run="random"), 1)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_damaged_file_names_itself_and_its_remedy(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tables_base.files("nas_env.data")
    content = (folder / "nasbench_macro.npz").read_bytes()
    if damage != "missing":
        cut = b"" if damage == "empty" else content[: len(content) // 2]
        (tmp_path / "nasbench_macro.npz").write_bytes(cut)
    monkeypatch.setattr(tables_base, "files", lambda _: tmp_path)
    with pytest.raises(InvalidDataError, match=re.escape("nasbench_macro.npz")) as caught:
        TABLES.get("nasbench-macro")()
    assert "python -m scripts.data nasbench_tables" in str(caught.value)


SHIPPED = {
    "chain-bench": ("chain_bench.npz", "walks", "hits", "loss", "latency_ms"),
    "nasbench201": ("nasbench201.npz", "walks", "cifar10.val_12", "seconds_per_epoch"),
    "nasbench-macro": ("nasbench_macro.npz", "walks", "accuracy", "flops"),
    "nasbench-graph": ("nasbench_graph.npz", "cora.walks", "cora.valid", "cora.latency"),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_of_other_arrays_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, *arrays = SHIPPED[name]
    with np.load(tables_base.files("nas_env.data") / file) as whole:
        content = dict(whole)
    monkeypatch.setattr(tables_base, "files", lambda _: tmp_path)
    for array in arrays:
        rest = {key: value for key, value in content.items() if key != array}
        for damaged in (rest, {**rest, array: content[array][:-1]}):
            np.savez(tmp_path / file, **damaged)
            with pytest.raises(InvalidDataError, match=rf"{file}.*damaged.*python -m scripts"):
                TABLES.get(name)()
    with open(tmp_path / file, "wb") as other:
        np.save(other, np.zeros(3))
    with pytest.raises(InvalidDataError, match=rf"{file}.*damaged.*python -m scripts"):
        TABLES.get(name)()


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_byte_is_noticed_or_means_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray((tables_base.files("nas_env.data") / "nasbench_macro.npz").read_bytes())
    sane, rng = TABLES.get("nasbench-macro")(), np.random.default_rng(seed)
    monkeypatch.setattr(tables_base, "files", lambda _: tmp_path)
    for place in rng.integers(len(content), size=20):
        damaged = content.copy()
        damaged[place] ^= int(rng.integers(1, 256))
        (tmp_path / "nasbench_macro.npz").write_bytes(damaged)
        try:
            found = TABLES.get("nasbench-macro")()
        except InvalidDataError:
            continue
        assert np.array_equal(found.columns["test"], sane.columns["test"])


def test_a_parameter_limit_moves_the_optimum(make_env: MakeEnv) -> None:
    free, limited = (
        make_env("NASBench201-v0", max_params=most).unwrapped for most in (None, 300_000)
    )
    views = [x.evaluator.view(x.budget) for x in (free, limited)]  # type: ignore[attr-defined]
    assert views[1].best_reward < views[0].best_reward
    params = limited.task.table.metrics["params"]  # type: ignore[attr-defined]
    assert views[1].best_reward == views[0].reward[params <= 300_000].max()
    assert views[1].best_report == views[0].report[params <= 300_000].max() < views[0].best_report


def test_what_was_not_measured_is_left_out() -> None:
    table = TABLES.get("nasbench-macro")()
    odd = np.where(np.arange(len(table.walks)) % 2, np.nan, 3.0)
    tabular = Tabular(TableTask(replace(table, metrics={**table.metrics, "odd": odd})))
    space = table.make_space(None)
    walks = [tuple(table.walks[row].tolist()) for row in (0, 1)]
    first, second = tabular.evaluate([space.decode(walk) for walk in walks], Budget(epochs=50))
    assert first.metrics["odd"] == 3.0
    assert "odd" not in second.metrics
    assert set(second.metrics) == set(first.metrics) - {"odd"}


def test_one_episode_at_another_fidelity(make_env: MakeEnv) -> None:
    env = make_env("NASBench201-v0", fidelity=200)
    walk = (3, 3, 1, 3, 3, 2)

    def play(**options: Any) -> dict[str, Any]:
        env.reset(options=options or None)
        for decision in walk:
            *_, info = env.step(decision)
        return dict(info["evaluation"])

    long, short, again = play(), play(fidelity=12), play()
    assert long == again
    assert long["reward"] == long["report"] == short["report"] > short["reward"]
    assert long["simulated_seconds"] > 10 * short["simulated_seconds"]
    with pytest.raises(InvalidSettingError, match="no fidelity of 13"):
        play(fidelity=13)


def test_the_test_split_is_rewarded_only_where_it_was_named(
    make_env: MakeEnv, table: Table
) -> None:
    own = Tabular(TableTask(table)).fidelities
    assert all(table.rewards[x] not in table.test_columns for x in own if x != table.fidelity)
    assert {x for x in table.columns if "test" in x} == table.test_columns
    for env in (make_env("NASBench201-v0"), gym.make_vec("NASBench201-v0", num_envs=2)):
        with pytest.raises(
            InvalidSettingError, match=r"of the test split as .*Known: 12\. Create .*200"
        ):
            env.reset(options={"fidelity": 200})
    with pytest.raises(InvalidSettingError, match="of the test split"):
        make_env("NASBench201-v0", budget={"epochs": 200})
    for settings, known in (
        ({}, (12,)),
        ({"fidelity": 200}, (12, 200)),
        ({"reward": "test_200"}, (200,)),
    ):
        inner: Any = make_env("NASBench201-v0", **settings).unwrapped
        assert inner.evaluator.fidelities == known
        assert inner.fidelity == known[-1]


def test_hardware_metrics_come_when_asked_for(make_env: MakeEnv) -> None:
    env = make_env("NASBench201-v0", hardware="all")
    env.reset()
    for _ in range(6):
        *_, info = env.step(0)
    found = info["evaluation"]
    assert {"edgegpu_latency_ms", "edgegpu_energy_mj", "fpga_latency_ms"} <= set(found)
    plain = make_env("NASBench201-v0")
    plain.reset()
    for _ in range(6):
        *_, info = plain.step(0)
    assert not [name for name in info["evaluation"] if "latency" in name]


def test_one_device_is_what_objectives_call_latency(make_env: MakeEnv) -> None:
    objective = OBJECTIVES.get("mnasnet-hard")(target=2.0, metric="latency_ms")
    env = make_env("NASBench201-v0", hardware="edgegpu", objective=objective)
    env.reset()
    for _ in range(6):
        _, reward, *_, info = env.step(3)
    found = info["evaluation"]
    assert found["latency_ms"] == found["edgegpu_latency_ms"] > 2.0
    assert found["energy_mj"] == found["edgegpu_energy_mj"]
    assert reward == pytest.approx(found["accuracy"] * 2.0 / found["latency_ms"])
    for hardware in (None, "all", "edgetpu"):  # the last was measured for some cells only
        with pytest.raises(IncompatibleError, match=r"needs latency_ms, which table .* not have"):
            make_env("NASBench201-v0", hardware=hardware, objective=objective)


def test_editing_a_table_has_a_reward_of_its_own(make_env: MakeEnv) -> None:
    env = make_env("NASBench201-v0", mdp="edit", edit_reward="score", start=(0, 0, 0, 3, 0, 0))
    _, info = env.reset(seed=0)
    assert info["evaluation"]["reward"] == env.unwrapped.state.score  # type: ignore[attr-defined]
    action = int(np.flatnonzero(info["action_mask"])[0])
    _, reward, _, _, info = env.step(action)
    assert reward == info["evaluation"]["reward"]


def test_the_task_of_a_table_trains_nothing(table: Table) -> None:
    task = TableTask(table)
    from nas_env.architecture import Recipe

    with pytest.raises(IncompatibleError, match="has a table but no data"):
        task.fit(None, Recipe(), Budget())  # type: ignore[arg-type]
    with pytest.raises(IncompatibleError, match="has a table but no data"):
        task.test(None)  # type: ignore[arg-type]
    assert replace(table, name="x").name == "x"
