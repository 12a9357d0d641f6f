"""What is read of a run: nothing invented, and what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nas_env.errors import InvalidSettingError
from nas_env.spaces import SPACES
from nas_env.store import SQLStore
from nas_env_agents.q_learning import METAQNN_SCHEDULE, QLearning
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.report.charts.front import front_of
from nas_env_cli.report.charts.progress import improvements
from nas_env_cli.report.data import TrialRow, best_trials, new_trials, read_run
from nas_env_cli.report.decisions import columns_of, q_heat, shares_of, tree_of
from nas_env_cli.report.phases import phases_of
from nas_env_cli.search.labels import Labels
from tests.support.report_runs import environment, make_run, read


def trial(number: int, score: float, ok: bool = True, **metrics: float) -> TrialRow:
    return TrialRow(
        number=number,
        new=True,
        score=score,
        seconds=float(number),
        ok=ok,
        outcome="ok" if ok else "diverged",
        message="",
        metrics=metrics,
        labels=["conv 8, 3x3", "stop"],
        key=f"key{number}",
        evaluation_seconds=0.0,
        place=number,
    )


def test_a_run_says_what_its_store_says(tmp_path: Path) -> None:
    data = read(make_run(tmp_path / "mine")).data
    assert (data["name"], data["task"], data["space"]) == ("mine", "digits", "chain")
    assert [(x["name"], x["reference"]) for x in data["searches"]] == [
        ("q-learning", False),
        ("random", True),
    ]
    store = SQLStore(tmp_path / "mine" / "store.sqlite")
    for search, stored in zip(data["searches"], store.searches(), strict=True):
        entries = store.entries(stored.id)
        assert [x["score"] for x in search["trials"]] == [x.score for x in entries]
        assert sum(x["new"] for x in search["trials"]) == search["trials"][-1]["place"] == 24
        assert best_trials(search, 1)[0]["score"] == max(x.score for x in entries)
    summary = json.loads((tmp_path / "mine" / "summary.json").read_text())
    times = data["searches"][0]["wall_seconds"]
    assert times == summary["searches"]["q-learning"]["wall_seconds"]
    parts = [times[x] for x in ("evaluations", "environment", "agent")]
    assert sum(parts) == pytest.approx(times["total"], abs=0.01) and times["agent"] > 0
    assert data["verdicts"] == summary["verdicts"]


def test_what_was_trained_longer_is_read(tmp_path: Path) -> None:
    path = make_run(tmp_path / "mine", evaluations=4, reference=False)
    assert read(path).data["longer"] is None
    (path / "retrained.json").write_text('{"networks": []}', encoding="utf-8")
    assert read(path).data["longer"] == {"networks": []}


def test_what_a_running_search_does_not_know_is_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", reference=False, finished=False)
    data = read(run).data
    assert not data["finished"] and data["verdicts"] == data["retrained"] == []
    (search,) = data["searches"]
    assert search["wall_seconds"] is None and search["illegal_share"] is None


def test_folders_without_a_search_are_refused(tmp_path: Path) -> None:
    inner = environment("random").unwrapped
    with pytest.raises(InvalidSettingError, match="holds no search"):
        read_run(tmp_path, inner)
    (tmp_path / "options.json").write_text('{"agent": "random", "store": null}')
    with pytest.raises(InvalidSettingError, match="has no store yet"):
        read_run(tmp_path, inner)
    (tmp_path / "token").write_text("0" * 32)
    SQLStore(tmp_path / "store.sqlite").close()
    with pytest.raises(InvalidSettingError, match="No network was evaluated yet"):
        read_run(tmp_path, inner)


def test_phases_are_those_that_the_agent_goes_through() -> None:
    agent = QLearning(environment("q-learning"))
    places = list(range(1, 101))
    phases = phases_of(
        [(x, 0.0) for x in places], {"evaluations": 100}, {"schedule": METAQNN_SCHEDULE}
    )
    for phase in phases:
        for place in places[phase["first"] : phase["end"]]:
            assert phase["name"] == f"\u03b5 {agent.epsilon_at((place - 1) / 100):g}"
    assert len(phases) == len(METAQNN_SCHEDULE)
    assert [x["first"] for x in phases[1:]] == [x["end"] for x in phases[:-1]]


def test_without_a_schedule_phases_are_fifths() -> None:
    phases = phases_of([(x, 0.0) for x in range(10)], {"evaluations": 10}, {})
    assert [(x["first"], x["end"]) for x in phases] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
    assert phases[0]["name"] == "0\u201320 %"
    assert len(phases_of([(1, 0.0)], {}, {})) == 1


def test_the_front_is_what_no_other_beats() -> None:
    points = {1: (0.9, 100.0), 2: (0.8, 50.0), 3: (0.7, 60.0), 4: (0.95, 500.0)}
    trials = [trial(n, a, accuracy=a, params=p) for n, (a, p) in points.items()]
    assert [x["number"] for x in front_of(trials, MetricFormat())] == [2, 1, 4]
    assert front_of([], MetricFormat()) == []
    errors = [trial(n, -a, mse=a, params=p) for n, (a, p) in points.items()]
    assert [x["number"] for x in front_of(errors, MetricFormat("mse", fraction=False))] == [2, 3]
    for x, latency in zip(trials, (1.0, 9.0, 0.5, 2.0), strict=True):
        x["metrics"]["latency_ms"] = latency
    assert [x["number"] for x in front_of(trials, MetricFormat())] == [3, 1, 4]


def test_improvements_and_the_best_leave_failures_out() -> None:
    trials = [trial(1, 0.2), trial(2, 0.9, ok=False), trial(3, 0.1), trial(4, 0.4)]
    search = {"trials": trials}
    assert [x["number"] for x in improvements(search)] == [1, 4]
    assert [x["number"] for x in best_trials(search, 2)] == [4, 1]
    assert len(new_trials(search)) == 4


@pytest.mark.parametrize("name", list(SPACES))
def test_every_decision_has_its_word(name: str) -> None:
    space = environment("random", space=name).unwrapped.space
    walk = space.sample(np.random.default_rng(0))
    words = Labels(space).of(walk)
    assert len(words) == len(walk) and all(words)
    shown = columns_of([words])
    assert set(shown) == set(words)


def test_labels_are_sorted_by_their_numbers_and_stop_is_last() -> None:
    labels = ["stop", "conv 16", "rate 0.1", "rate 0.03", "conv 8", "zero"]
    assert list(columns_of([labels])) == [
        "conv 8",
        "conv 16",
        "rate 0.03",
        "rate 0.1",
        "zero",
        "stop",
    ]
    many = [f"conv {number}, 3x3" for number in range(40)]
    assert set(columns_of([many]).values()) == {"conv"}


def test_shares_count_only_walks_that_are_long_enough() -> None:
    heat = shares_of([["a", "b"], ["a"], ["c", "b"]])
    assert heat.columns == ["a", "b", "c"]
    assert heat.values == [[2 / 3, None, 1 / 3], [None, 1.0, None]]
    assert heat.words[0][0] == "2 of 3 networks"


def test_the_q_table_by_depth_is_the_agents(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", reference=False)
    agent = QLearning.load(run / "agents" / "q-learning", environment("q-learning"))
    heat = q_heat(agent)
    first = agent.row(0)
    for column, value in enumerate(heat.values[0]):
        visited = agent.visits[first, column] > 0
        assert value == (pytest.approx(agent.q[first, column]) if visited else None)
    assert len(heat.columns) == agent.q.shape[1] == 15


def test_the_tree_counts_prefixes() -> None:
    root = tree_of([(["a", "b"], 1.0), (["a", "c"], 0.0), (["d"], 0.5)], depth=1)
    assert (root.visits, root.mean, root.best) == (3, 0.5, 1.0)
    assert {x.label: (x.visits, x.mean) for x in root.children.values()} == {
        "a": (2, 0.5),
        "d": (1, 0.5),
    }
    assert not root.children["a"].children
