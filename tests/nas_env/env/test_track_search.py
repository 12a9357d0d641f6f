"""The books of a search and its limits, with a clock of our own."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidSettingError, UnknownNameError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Cached, Evaluator, EvaluatorWrapper, MedianStopping
from nas_env.evaluators.tabular import Tabular
from nas_env.store import MemoryStore
from nas_env.tables import TABLES, TableTask
from nas_env.wrappers import STAGNATION, Limits, TrackSearch

MakeEnv = Callable[..., gym.Env[Any, Any]]
STOP = 14


class Clock:
    """Seconds that pass only when somebody works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Slow(Evaluator):
    """Takes five seconds of the clock for each network; the accuracy is its depth / 10."""

    fingerprint = "slow"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        self.clock.now += 5.0 * len(candidates)
        return [
            Evaluation(Outcome.OK, {"accuracy": len(x.architecture.layers) / 10}, seconds=5.0)
            for x in candidates
        ]


def search(
    make_env: MakeEnv, limits: Limits, store: MemoryStore | None = None, **settings: Any
) -> tuple[TrackSearch, Clock]:
    clock = Clock()
    evaluator = Cached(Slow(clock), MemoryStore() if store is None else store)
    return TrackSearch(make_env(evaluator=evaluator, **settings), limits, clock), clock


def build(env: TrackSearch, *walk: int) -> dict[str, Any]:
    env.reset()
    for decision in (*walk, STOP):
        info = env.step(decision)[4]
    return info


def test_new_networks_count_and_repeats_stand_beside(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(evaluations=3))
    for walk in ((0,), (0,), (1,), (0,)):
        build(env, *walk)
        assert env.finished is None
    assert (env.evaluations, env.repeats, env.episodes) == (2, 2, 4)
    assert [trial.new for trial in env.trials] == [True, False, True, False]
    assert [trial.evaluations for trial in env.trials] == [1, 1, 2, 2]
    assert [trial.episode for trial in env.trials] == [1, 2, 3, 4]
    assert env.share == pytest.approx(2 / 3)
    build(env, 2)
    assert (env.finished, env.share) == ("evaluations", 1.0)


def test_the_best_is_kept(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(evaluations=9))
    assert env.best is None
    for walk in ((0,), (0, 0, 0), (0, 0), (1, 1, 1)):
        build(env, *walk)
    assert env.best is env.trials[1]  # the first of two equal ones
    assert env.best is not None
    assert env.best.score == 0.3
    assert env.best.evaluation.metrics["accuracy"] == 0.3
    assert env.best.candidate.walk == (0, 0, 0, STOP)


def test_evaluations_and_the_rest_of_the_environment_are_told_apart(make_env: MakeEnv) -> None:
    store = MemoryStore()
    cold, clock = search(make_env, Limits(evaluations=9), store)
    for walk in ((0,), (0, 0)):
        build(cold, *walk)
        clock.now += 7  # the agent learns
    assert cold.evaluation_seconds == cold.environment_seconds == 10
    warm, _ = search(make_env, Limits(evaluations=9), store)
    build(warm, 0)
    assert warm.seconds == 5, "found in the store: charged"
    assert warm.evaluation_seconds == warm.environment_seconds == 0, "but nothing was evaluated"


def test_seconds_end_a_search(make_env: MakeEnv) -> None:
    env, clock = search(make_env, Limits(seconds=20))
    build(env, 0)
    assert (env.seconds, env.share, env.finished) == (5.0, 0.25, None)
    clock.now += 14
    assert env.finished is None
    clock.now += 1
    assert (env.finished, env.share) == ("seconds", 1.0)
    clock.now += 100
    assert env.share == 1.0


def test_a_score_ends_a_search(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(evaluations=9, until_score=0.3))
    build(env, 0, 0)
    assert env.finished is None
    build(env, 0, 0, 0)
    assert env.finished == "score"


def test_the_share_is_that_of_the_nearer_limit(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(evaluations=10, seconds=20))
    build(env, 0)
    assert env.share == 0.25


def test_what_the_store_knows_costs_what_it_cost_then(make_env: MakeEnv) -> None:
    store = MemoryStore()
    cold, _ = search(make_env, Limits(seconds=60), store)
    warm, clock = search(make_env, Limits(seconds=60), store)
    for env in (cold, warm):
        for walk in ((0,), (1,), (0,), (2,)):
            build(env, *walk)
    assert clock.now == 1000.0, "the warm search trained something"
    assert cold.seconds == warm.seconds == 15.0  # the repeat is free in both
    assert [trial.seconds for trial in cold.trials] == [5.0, 10.0, 10.0, 15.0]
    assert cold.trials == warm.trials
    assert (cold.evaluations, cold.repeats) == (warm.evaluations, warm.repeats) == (3, 1)


@pytest.mark.parametrize(
    ("limits", "patience"), [(Limits(evaluations=4), 40), (Limits(seconds=1e6), 1000)]
)
def test_a_search_that_finds_nothing_new_stagnates(
    make_env: MakeEnv, limits: Limits, patience: int
) -> None:
    assert STAGNATION == 10
    env, _ = search(make_env, limits)
    build(env, 0)
    for _ in range(patience - 1):
        build(env, 0)
        assert env.finished is None
    build(env, 0)
    assert env.finished == "stagnation"
    build(env, 1)
    assert env.finished is None


def test_illegal_actions_are_counted(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(evaluations=4))
    assert env.illegal_share == 0.0
    env.reset()
    for action in (STOP, 0, STOP):  # the first is projected
        env.step(action)
    assert (env.actions, env.illegal_actions) == (3, 1)
    assert env.illegal_share == pytest.approx(1 / 3)


def test_an_episode_without_a_network_is_no_trial(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(evaluations=2), illegal="terminate")
    env.reset()
    assert env.step(STOP)[2]
    assert (env.episodes, env.evaluations, env.trials, env.best) == (1, 0, [], None)


def test_masks_pass_through(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(evaluations=2))
    _, info = env.reset()
    assert np.array_equal(env.action_masks(), info["action_mask"].astype(bool))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "Set one or more of: evaluations, seconds"),
        ({"until_score": 0.9}, "Set one or more of: evaluations, seconds"),
        ({"evaluations": 0}, "evaluations must be > 0"),
        ({"seconds": -1.0}, "seconds must be > 0"),
        ({"seconds": float("nan")}, "seconds must be > 0"),
        ({"evaluations": "500"}, "evaluations must be a number, got '500'"),
        ({"evaluations": True}, "evaluations must be a number, got True"),
        ({"episodes": 1, "until_score": "1"}, "until_score must be a number, got '1'"),
    ],
)
def test_bad_limits_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        Limits(**settings)


def test_an_unknown_limit_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown limit 'queries'.*Known: .*evaluations"):
        Limits(queries=5)  # type: ignore[call-arg]
    limits = Limits(evaluations=np.int64(5))  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(limits)) == replace(Limits(5), seconds=None) == limits


@pytest.mark.parametrize("limits", [Limits(evaluations=2), Limits(episodes=2), Limits(seconds=10)])
def test_what_is_played_after_the_limit_is_not_the_best(make_env: MakeEnv, limits: Limits) -> None:
    env, _ = search(make_env, limits)
    for walk in ((0,), (0, 0), (0, 0, 0), (0,)):
        build(env, *walk)
    assert env.finished is not None
    assert env.best is env.trials[1]
    assert len(env.trials) == 4


def cells(env: TrackSearch, walks: list[tuple[int, ...]]) -> list[dict[str, Any]]:
    """Play walks of NAS-Bench-201 and return the last info of each."""
    infos = []
    for walk in walks:
        env.reset()
        for decision in walk:
            *_, info = env.step(decision)
        infos.append(info)
    return infos


ONE, OTHER = (3, 0, 0, 3, 0, 0), (2, 0, 0, 3, 0, 0)  # one network: only the fourth edge counts


def test_repeats_and_isomorphs_are_charged_as_told(make_env: MakeEnv) -> None:
    walks = [ONE, ONE, OTHER]
    for settings, charged, repeats in (
        ({}, [1, 1, 2], 1),
        ({"charge_isomorphs": False}, [1, 1, 1], 2),
        ({"charge_repeats": True}, [1, 2, 3], 1),
    ):
        env = TrackSearch(make_env("NASBench201-v0"), Limits(evaluations=9, **settings))
        cells(env, walks)
        assert [x.evaluations for x in env.trials] == charged
        assert env.repeats == repeats
        assert [x.walk for x in env.trials] == walks
        assert env.trials[0].candidate.key == env.trials[2].candidate.key
        assert env.share == charged[-1] / 9


@pytest.mark.parametrize("charge_repeats", [False, True])
def test_the_simulated_clock_adds_up_and_ends_the_search(
    make_env: MakeEnv, charge_repeats: bool
) -> None:
    cost = float(
        cells(TrackSearch(make_env("NASBench201-v0"), Limits(episodes=1)), [ONE])[0]["evaluation"][
            "simulated_seconds"
        ]
    )
    limits = Limits(simulated_seconds=2.5 * cost, charge_repeats=charge_repeats)
    env = TrackSearch(make_env("NASBench201-v0"), limits)
    clocks = [info["simulated_clock"] for info in cells(env, [ONE, ONE, ONE])]
    assert clocks == pytest.approx([cost, 2 * cost, 3 * cost] if charge_repeats else [cost] * 3)
    assert env.finished == ("simulated_seconds" if charge_repeats else None)
    assert env.share == pytest.approx(1.0 if charge_repeats else 0.4)


def test_another_fidelity_is_another_evaluation(make_env: MakeEnv) -> None:
    env = TrackSearch(make_env("NASBench201-v0", fidelity=200), Limits(evaluations=9))
    for options in (None, {"fidelity": 12}, {"fidelity": 200}, {"fidelity": 12}):
        env.reset(options=options)
        for decision in ONE:
            env.step(decision)
    assert [x.new for x in env.trials] == [True, True, False, False]


def test_what_ends_after_the_simulated_limit_is_not_the_best(make_env: MakeEnv) -> None:
    free = TrackSearch(make_env("NASBench201-v0"), Limits(episodes=9))
    cells(free, [(0,) * 6, (3,) * 6])
    worse, better = free.trials
    assert worse.score < better.score
    limits = Limits(simulated_seconds=better.simulated_seconds - 1, until_score=better.score)
    late = TrackSearch(make_env("NASBench201-v0"), limits)
    cells(late, [worse.walk, better.walk])
    assert late.best is late.trials[0]
    assert late.finished == "simulated_seconds"


def test_only_the_environments_own_fidelity_counts(make_env: MakeEnv) -> None:
    env = TrackSearch(make_env("NASChain-v0", fidelity=1), Limits(episodes=9, until_score=0.2))
    for fidelity in (6, None):
        env.reset(options={"fidelity": fidelity})
        over = False
        while not over:  # always the first legal decision
            *_, over, _, info = env.step(int(env.action_masks().argmax()))
        if fidelity:
            assert info["evaluation"]["score"] >= 0.2
            assert env.best is None and env.finished is None
    assert env.best is env.trials[1]


@pytest.mark.parametrize("name", ["NAS-v0", "NASBenchMacro-v0", "NASTable-v0"])
def test_simulated_seconds_need_somebody_who_tells_them(make_env: MakeEnv, name: str) -> None:
    with pytest.raises(IncompatibleError, match="reports no simulated seconds"):
        TrackSearch(make_env(name), Limits(simulated_seconds=5))
    TrackSearch(make_env("NASChain-v0"), Limits(simulated_seconds=5))


def test_repeats_are_charged_also_where_isomorphs_are_not(make_env: MakeEnv) -> None:
    limits = Limits(evaluations=9, charge_repeats=True, charge_isomorphs=False)
    env = TrackSearch(make_env("NASBench201-v0"), limits)
    cells(env, [ONE, OTHER])
    assert (env.evaluations, env.repeats, env.charged) == (1, 1, 2)


def test_a_search_may_be_limited_in_episodes(make_env: MakeEnv) -> None:
    env = TrackSearch(make_env("NASBench201-v0"), Limits(episodes=3))
    cells(env, [ONE, ONE])
    assert (env.finished, env.share) == (None, pytest.approx(2 / 3))
    cells(env, [ONE])
    assert env.finished == "episodes"


def test_what_came_without_a_step_is_entered(make_env: MakeEnv) -> None:
    env, clock = search(make_env, Limits(evaluations=3, seconds=100))
    inner: Any = env.unwrapped
    env.reset(seed=0)
    for walk, slow in (((0, STOP), 5.0), ((0, 0, STOP), 1.0), ((0, STOP), 5.0)):
        candidate = inner.space.decode(walk)
        [evaluation] = inner.evaluator.evaluator.evaluate([candidate], Budget())
        score = env.enter(candidate, replace(evaluation, seconds=slow))
        assert score == len(candidate.architecture.layers) / 10
    assert [(x.episode, x.evaluations, x.new) for x in env.trials] == [
        (1, 1, True),
        (2, 2, True),
        (3, 2, False),
    ]
    assert (env.evaluations, env.repeats, env.episodes, env.actions) == (2, 1, 3, 7)
    assert env.best is env.trials[1]
    assert env.seconds == clock.now - 1000.0 == 15.0, "nothing was found: only the clock counts"
    assert env.may_begin(0) and not env.may_begin(1)
    env.enter(inner.space.decode((1, STOP)), Evaluation(Outcome.OK, {"accuracy": 0.5}, seconds=50))
    assert env.seconds == 5 + 1 + 50, "what all took, for that is more"
    assert (env.finished, env.may_begin(0)) == ("evaluations", False)


def test_entered_seconds_are_shared_by_the_slots(make_env: MakeEnv) -> None:
    env, _ = search(make_env, Limits(seconds=100))
    inner: Any = env.unwrapped
    inner.evaluator = Four(inner.evaluator)
    env.reset(seed=0)
    env.enter(inner.space.decode((1, STOP)), Evaluation(Outcome.OK, {"accuracy": 0.5}, seconds=50))
    assert env.seconds == 12.5


class Four(EvaluatorWrapper):
    """Claims four slots."""

    slots = 4  # type: ignore[assignment]

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        return self.evaluator.evaluate(candidates, budget)


class Staged(Evaluator):
    """Gives each network so many epochs as its depth, as if it had been stopped; five fails."""

    fingerprint = "staged"

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        depths = [len(x.architecture.layers) for x in candidates]
        return [
            Evaluation(Outcome.OK if x < 5 else Outcome.TIMEOUT, {"accuracy": x / 10}, epochs=x)
            for x in depths
        ]


def test_epochs_are_those_that_evaluations_had(make_env: MakeEnv) -> None:
    store = MemoryStore()
    for _ in range(2):  # a cold store, then a warm one
        env = TrackSearch(make_env(evaluator=Cached(Staged(), store)), Limits(epochs=12))
        for walk in ((0,), (0, 0, 0), (0,), (1, 1)):
            build(env, *walk)
        assert env.epochs == 1 + 3 + 2
        assert (env.share, env.finished) == (0.5, None)
        build(env, 0, 0, 0, 0, 0)  # a failure costs what it had
        assert [x.epochs for x in env.trials] == [1, 4, 4, 6, 11]
        build(env, 1, 1, 1)
        assert (env.epochs, env.share, env.finished) == (14, 1.0, "epochs")


def test_repeats_cost_epochs_where_they_are_charged(make_env: MakeEnv) -> None:
    limits = Limits(epochs=9, charge_repeats=True)
    env = TrackSearch(make_env(evaluator=Cached(Staged(), MemoryStore())), limits)
    for _ in range(3):
        build(env, 0, 0)
    assert [x.epochs for x in env.trials] == [2, 4, 6]


def test_a_network_that_got_further_costs_the_difference(make_env: MakeEnv) -> None:
    class Further(Evaluator):
        fingerprint, given = "further", [1, 3, 2, 9]

        def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
            return [Evaluation(Outcome.OK, {"accuracy": 0.1}, epochs=self.given.pop(0))]

    evaluator = Further()
    evaluator.free = True  # asked each time, as halving is
    env = TrackSearch(make_env(evaluator=evaluator), Limits(epochs=20))
    for _ in range(4):
        build(env, 0)
    assert [x.epochs for x in env.trials] == [1, 3, 3, 9]
    assert (env.evaluations, env.repeats) == (1, 3)


def test_stopped_trainings_cost_less(make_env: MakeEnv) -> None:
    """Over a table: the same networks, in full and by the median rule."""
    table = TABLES.get("chain-bench")()
    tabular = Tabular(TableTask(table))
    settings = {"space": table.make_space(None), "task": tabular.task, "budget": {"epochs": 6}}
    spent = []
    for evaluator in (tabular, MedianStopping(tabular, "reward", min_completed=3)):
        env = TrackSearch(
            make_env(evaluator=evaluator, objective="reward", **settings), Limits(evaluations=30)
        )
        rng = np.random.default_rng(0)
        while env.finished is None:
            env.reset()
            over = False
            while not over:
                *_, over, _, _ = env.step(int(rng.choice(np.flatnonzero(env.action_masks()))))
        spent.append(env.epochs)
        assert env.epochs == sum(x.evaluation.epochs for x in env.trials if x.new)
    assert spent[0] == 30 * 6
    assert 30 * 2 < spent[1] < 0.9 * spent[0]
