"""The stages of a search with a time limit, also when it is resumed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import pytest

from nas_env.store import SQLStore
from nas_env.wrappers import Limits
from nas_env_cli.search.folder import RunFolder
from nas_env_cli.search.options import SearchOptions
from nas_env_cli.search.plan import SearchPlan
from nas_env_cli.search.session import SearchResult, run_search
from nas_env_cli.search.stages import Stages
from nas_env_cli.search.timetable import Timetable

LIMIT = 15.0


def searches(path: Path, spent: float, resume: bool) -> tuple[dict[str, SearchResult], Timetable]:
    values = {"task": "wine", "epochs": 1, "retrain_seeds": 1, "seconds": LIMIT}
    plan = SearchPlan.resolve(SearchOptions.of(**values, output=path, resume=resume))
    folder = RunFolder(path, plan.saved, resume)
    times = Timetable(LIMIT, spent_before=spent)
    return Stages(plan, folder, folder.store, times).searches(), times


def networks(path: Path) -> list[tuple[str, list[str], str | None]]:
    with closing(SQLStore(path / "store.sqlite")) as store:
        return [
            (x.info.agent, [y.candidate.key for y in store.entries(x.id)], x.reason)
            for x in store.searches()
        ]


def test_searches_that_ended_are_repeated_in_no_time(tmp_path):
    first, times = searches(tmp_path / "run", 0.0, resume=False)
    before = networks(tmp_path / "run")
    assert [name for name, _, _ in before] == ["portfolio", "imagination", "random"]
    assert times.left > 0
    spent = times.spent
    again, times = searches(tmp_path / "run", spent, resume=True)
    assert [x[:2] for x in networks(tmp_path / "run")] == [x[:2] for x in before]
    assert again.keys() == first.keys()
    for name, result in again.items():
        assert result.best.candidate == first[name].best.candidate
        assert result.evaluations == first[name].evaluations
    assert times.spent == pytest.approx(spent, abs=1.0)


@pytest.mark.parametrize("compare", ["random", "none"])
def test_time_remains_to_retrain_a_slow_network(tmp_path, compare):
    plan = SearchPlan.resolve(SearchOptions.of(task="wine", seconds=100.0, compare=compare))
    trial = SimpleNamespace(evaluation=SimpleNamespace(seconds=30.0))
    slow: Any = SimpleNamespace(trials=[trial])
    compares = len(plan.agents) > 1
    times = Timetable(100.0, compares=compares, started=0.0, clock=lambda: 20.0)
    stages = Stages(plan, RunFolder(tmp_path / "run", plan.saved, False), "none", times)
    for agent in plan.agents:
        seconds = stages._limits(agent, slow, None).seconds or 0.0
        assert 0 < seconds <= times.left - times.end - 30
        quick = stages._limits(agent, None, None).seconds
        assert quick == (times.for_search() if agent is plan.agents[0] else times.for_comparison())


def test_a_resumed_search_keeps_what_it_has_no_time_to_repeat(tmp_path):
    store, token = tmp_path / "store.sqlite", "one"

    def search(limits: Limits) -> SearchResult:
        env: Any = gym.make("NAS-v0", evaluator="synthetic", store=store)
        return run_search("random", env, limits, 3, token=token)

    first = search(Limits(evaluations=400))
    again = search(Limits(seconds=0.2, charge_stored=False))
    keys = [{x.candidate.trained_key for x in result.trials} for result in (first, again)]
    assert keys[0] <= keys[1]
    assert again.best.candidate == first.best.candidate
