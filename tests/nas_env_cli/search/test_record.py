"""What a search writes into its store while it goes on."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from nas_env.store import MemoryStore, SQLStore, Store
from nas_env.wrappers import Limits
from nas_env_agents import AGENTS
from nas_env_cli.search.callback import SearchCallback
from nas_env_cli.search.record import describe
from nas_env_cli.search.session import run_search
from tests.support.tiny_space import tiny_space


def env_with(name: str, store: Any, **settings: Any) -> gym.Env[Any, Any]:
    return gym.make(
        "NAS-v0",
        space=tiny_space(),
        task="digits",
        evaluator="synthetic",
        observation=AGENTS.get(name).observation,
        store=store,
        **settings,
    )


def run(name: str, store: Store, evaluations: int = 12, **settings: Any) -> Any:
    return run_search(name, env_with(name, store), Limits(evaluations), 3, **settings)


@pytest.mark.parametrize("name", AGENTS.names())
def test_every_agents_search_is_on_record(name: str) -> None:
    store = MemoryStore()
    result = run(name, store)
    [search] = store.searches()
    assert (search.info.agent, search.info.seed, search.reason) == (name, 3, "evaluations")
    assert search.info.environment["limits"]["evaluations"] == 12
    assert search.info.environment["fingerprint"] == "synthetic-1-0"
    entries = store.entries(search.id)
    assert [x.number for x in entries] == list(range(1, len(entries) + 1))
    for entry, trial in zip(entries, result.tracker.trials, strict=True):
        assert (entry.candidate, entry.evaluation) == (trial.candidate, trial.evaluation)
        assert (entry.score, entry.episode, entry.new) == (trial.score, trial.episode, trial.new)
        assert entry.key.fingerprint == "synthetic-1-0"


def test_hyper_parameters_are_those_that_were_used() -> None:
    store = MemoryStore()
    run("regularized-evolution", store, sample_size=2)
    assert store.searches()[0].info.settings == {"population_size": 10, "sample_size": 2}


def test_the_password_of_the_store_is_not_on_record() -> None:
    env: Any = env_with("random", None)
    env.unwrapped.spec.kwargs["store"] = "postgresql://nas:s3cret@db.example.org/nas"
    options = describe("random", env, Limits(12), 3, {}).environment["options"]
    assert options["store"] == "postgresql://nas:***@db.example.org/nas"
    assert options["evaluator"] == "synthetic"


def test_a_rollout_is_entered_in_one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    store, calls = MemoryStore(), []
    enter = store.enter
    monkeypatch.setattr(store, "enter", lambda x, *e: (calls.append(len(e)), enter(x, *e)))
    result = run("ppo", store, 30, deferred=True)
    assert sum(calls) == len(result.tracker.trials) == len(store.entries(1))
    assert max(calls) > 5
    assert 0 not in calls


class Interrupted(Exception):
    pass


def interrupt_after(count: int, monkeypatch: pytest.MonkeyPatch, error: type) -> None:
    after: Any = SearchCallback._on_step

    def step(self: BaseCallback) -> bool:
        if len(self.tracker.trials) >= count:  # type: ignore[attr-defined]
            raise error
        return bool(after(self))

    monkeypatch.setattr(SearchCallback, "_on_step", step)


@pytest.mark.parametrize("name", ["random", "q-learning", "async-regularized-evolution"])
def test_one_token_is_one_search(
    name: str, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(7, patch, KeyboardInterrupt)
        run(name, SQLStore(tmp_path / "s.sqlite"), 30, token="mine")
    store = SQLStore(tmp_path / "s.sqlite")
    [search] = store.searches()
    before = store.entries(search.id)
    assert (len(before), search.reason) == (7, "interrupted")
    run(name, store, 30, token="mine")
    [search] = store.searches()
    assert search.reason == "evaluations"
    assert store.entries(search.id)[:7] == before
    assert sum(x.new for x in store.entries(search.id)) == 30
    assert not caplog.records
    run(name, store, 30)
    assert len(store.searches()) == 2


def test_a_search_that_broke_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    interrupt_after(5, monkeypatch, Interrupted)
    with pytest.raises(Interrupted):
        run("random", store)
    assert (store.searches()[0].ended, len(store.entries(1))) == (None, 4)


def test_other_decisions_after_an_interruption_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    run("random", store, 10, token="mine")
    run("random", store, 10, token="mine")
    assert not caplog.records
    env = env_with("random", store)
    run_search("random", env, Limits(evaluations=10), 4, token="mine")
    assert caplog.text.count("differs from the recorded trial") == 1
