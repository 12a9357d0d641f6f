"""The agent `imagination`: what it proposes, with which planner, and that it goes on as it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback
from threadpoolctl import threadpool_info, threadpool_limits

import nas_env  # noqa: F401 - registers the environments
from nas_env.errors import (
    IllegalDecisionError,
    InvalidDataError,
    InvalidSettingError,
    UnknownNameError,
)
from nas_env.evaluation import Evaluation, Outcome
from nas_env.spaces import SPACES
from nas_env.spaces.chain import ChainSpace
from nas_env.wrappers import Limits, TrackSearch
from nas_env_agents import make_agent
from nas_env_agents.imagination import Imagination
from nas_env_agents.imagination.acquisition import log_expected_improvement
from nas_env_agents.imagination.agent import seconds_of
from nas_env_agents.imagination.planner import PLANNERS, Dream
from nas_env_agents.imagination.policy import advantages
from nas_env_cli.search.session import run_search
from tests.support.tiny_space import GRAMMAR, all_scores, tiny_env, tiny_space

PLANNER_NAMES = PLANNERS.names()


def tiniest_env():
    """Return an environment of few walks, for searches that exhaust it."""
    space = ChainSpace(replace(GRAMMAR, max_depth=2), "tiniest", (1, 8, 8), 10)
    return gym.make("NAS-v0", space=space, task="digits", evaluator="synthetic")


def drive(agent, count, score=lambda walk: float(sum(walk))):
    """Let an agent propose walks without an environment; return them."""
    walks = []
    for _ in range(count):
        walks.append(agent.propose())
        agent.tell(walks[-1], score(walks[-1]))
    return walks


def queries(seed, evaluations=120, **settings):
    """Return how many networks a search takes to the best of the tiny space."""
    limits = Limits(evaluations=evaluations, until_score=all_scores()[-1])
    result = run_search("imagination", tiny_env("tokens"), limits, seed, **settings)
    assert result.reason == "score"
    return result.tracker.evaluations


# ---- planners ----


@pytest.mark.parametrize("name", PLANNER_NAMES)
@pytest.mark.parametrize("max_params", [None, 3000])
def test_planners_imagine_complete_legal_walks(name, max_params):
    space = SPACES.get("chain")(max_params=max_params)
    planner, asked = PLANNERS.get(name)(space), []

    def valuation(walks):
        asked.extend(walks)
        return np.array([float(len(walk)) for walk in walks])

    start = space.sample(np.random.default_rng(5))
    planner.imagine(Dream(valuation, {start}, [start]), np.random.default_rng(0))
    assert len(asked) > 100
    assert len(set(asked)) == len(asked), "each is asked for once"
    assert start not in asked
    for walk in asked:
        assert space.check(walk) is None


@pytest.mark.parametrize("name", ["tree", "policy", "climb"])
def test_planners_concentrate_on_what_is_good(name):
    """The value counts 3s: the mean of random cells is 1.2, the best has 6 of 15,625."""
    space, best = SPACES.get("nasbench201")(), []
    for seed in range(5):
        planner, rng = PLANNERS.get(name)(space), np.random.default_rng(seed)
        dream = Dream(lambda walks: np.array([float(walk.count(3)) for walk in walks]), set())
        for _ in range(3 if name == "policy" else 1):
            planner.imagine(dream, rng)
        best.append(dream.best_value)
    assert np.mean(best) >= 5.5, best
    pool = Dream(lambda walks: np.array([float(walk.count(3)) for walk in walks]), set())
    PLANNERS.get("pool")(space).imagine(pool, np.random.default_rng(0))
    assert pool.best_value < 5.5


def test_a_dream_passes_by_what_was_seen():
    dream = Dream(lambda walks: np.array([float(walk[0]) for walk in walks]), {(9,)})
    assert dream.values([(1,), (9,), (3,), (1,)]) == [1.0, 1.0, 3.0, 1.0]
    assert dream.best == (3,) and (dream.low, dream.high) == (1.0, 3.0)


def test_advantages_sum_to_zero_and_follow_the_ranks():
    found = advantages(np.array([0.1, 5.0, -np.inf, 2.0, 1.0, 0.0, -1.0, -2.0]))
    assert abs(found.sum()) < 1e-12
    assert found.argmax() == 1 and found[3] > found[4] == found[2]


def test_the_imagined_policy_respects_the_end_of_walks():
    space = tiny_space()
    planner = PLANNERS.get("policy")(space)
    planner.imagine(
        Dream(lambda walks: np.array([float(len(x)) for x in walks]), set()),
        np.random.default_rng(0),
    )
    taken, slopes = planner._sample(np.random.default_rng(1))
    assert set((taken >= 0).sum(axis=1).tolist()) <= set(range(1, space.max_length + 1))
    assert (slopes[taken < 0] == 0).all()
    np.testing.assert_allclose(slopes.sum(axis=2), 0, atol=1e-12)


# ---- the agent ----


def test_it_finds_the_best_of_381_networks_in_far_fewer_queries_than_random_search():
    """Random search needs 191 in the mean, local search 37 over ten seeds."""
    counts = [queries(seed) for seed in range(6)]
    assert np.mean(counts) < 30, counts


@pytest.mark.parametrize("planner", PLANNER_NAMES)
def test_every_planner_finds_it(planner):
    assert np.mean([queries(seed, planner=planner) for seed in range(2)]) < 60


def test_it_begins_with_the_walks_that_random_search_begins_with():
    found = [
        [
            x.walk
            for x in run_search(name, tiny_env("tokens"), Limits(evaluations=8), 4).tracker.trials
        ]
        for name in ("imagination", "local-search")
    ]
    assert found[0][0] == found[1][0]
    assert len(set(found[0])) == 8


@pytest.mark.parametrize("planner", PLANNER_NAMES)
def test_no_walk_is_evaluated_twice_until_the_space_is_exhausted(planner):
    agent = Imagination(tiniest_env(), planner=planner)
    size = agent.space.size()
    walks = drive(agent, size + 3)
    assert len(set(walks[:size])) == size >= 18
    assert {sum(walk) for walk in walks[size:]} == {max(map(sum, walks))}, "then the best again"


def test_a_batch_larger_than_the_space_repeats_and_breaks_nothing():
    agent = Imagination(tiniest_env(), batch_size=100, initial=2)
    walks = drive(agent, 100)
    assert len(set(walks)) == agent.space.size() < 100


def test_linear_algebra_has_one_thread_while_it_plans(monkeypatch):
    def threads() -> set[int]:
        return {x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"}

    agent = Imagination(tiny_env("tokens"), initial=1, noisy=True)
    seen = []
    for part, name in ((agent.model, "posterior"), (agent.model, "expected")):
        plain = getattr(part, name)
        monkeypatch.setattr(part, name, lambda plain=plain: (seen.append(threads()), plain())[1])
    with threadpool_limits(2, user_api="blas"):
        agent.tell(agent.propose(), 0.5)
        agent.propose()
        agent.answer()
        assert threads() == {2}
    assert len(seen) >= 2 and all(x == {1} for x in seen)


def test_before_any_value_is_known_the_tree_goes_everywhere():
    space = SPACES.get("nasbench201")()
    asked = []
    dream = Dream(lambda walks: asked.append(walks) or np.zeros(len(walks)), set())
    PLANNERS.get("tree")(space).imagine(dream, np.random.default_rng(0))
    first = Counter(walk[0] for walk in asked[0])
    assert len(first) == 5 and max(first.values()) <= 10, first


@pytest.mark.parametrize("left", [1, 3, 10])
def test_planners_find_what_little_is_left(left):
    """Of 381 walks; the tree is not worse at it than 512 random walks."""
    space, found = tiny_space(), Counter()
    walks = list(space.enumerate())
    for seed in range(20):
        rng = np.random.default_rng(seed)
        unseen = {walks[i] for i in rng.permutation(len(walks))[:left]}
        seen = set(walks) - unseen
        for name in ("tree", "pool"):
            dream = Dream(lambda x: np.zeros(len(x)), seen, sorted(seen)[:5])
            PLANNERS.get(name)(space).imagine(dream, rng)
            found[name] += dream.best is not None
    assert found["tree"] >= found["pool"] - 2, found


def test_an_exhausted_space_breaks_nothing():
    agent = Imagination(gym.make("NASBenchMacro-v0"))
    agent.num_walks = 10  # as if the space had no more
    walks = drive(agent, 25)
    assert len(set(walks)) == 10
    best = max(set(walks), key=sum)
    assert walks[10:] == [best] * 15
    assert len(agent.model) == 10 and sum(agent.model.counts) == 25


def test_failures_rank_last_and_constant_scores_break_nothing():
    agent = Imagination(tiny_env("tokens"))
    walks = drive(agent, 40, lambda walk: 0.0)
    assert len(set(walks)) == 40
    agent = Imagination(tiny_env("tokens"))
    walks = drive(agent, 60, lambda walk: 0.0 if 0 in walk else 0.5)
    late = Counter(0 in walk for walk in walks[30:])
    assert late[True] < 10, "what fails is not asked for again and again"


@pytest.mark.parametrize("planner", ["tree", "policy"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_it_goes_on_from_a_file_exactly_as_it_would_have(planner, batch_size, tmp_path):
    def score(walk):
        return float(np.random.default_rng(walk).random())

    agent = Imagination(tiny_env("tokens"), seed=3, planner=planner, batch_size=batch_size)
    drive(agent, 25, score)
    agent.save(tmp_path / "agent")
    expected = drive(agent, 15, score)
    loaded = Imagination.load(tmp_path / "agent", tiny_env("tokens"))
    assert loaded.batch_size == batch_size
    assert drive(loaded, 15, score) == expected


def test_walks_of_a_batch_do_not_know_each_other_but_keep_apart():
    agent = Imagination(tiny_env("tokens"), batch_size=8)
    told = []
    for _ in range(3):
        batch = [agent.propose() for _ in range(8)]
        assert len(set(batch)) == 8 and not set(batch) & set(told)
        assert len(agent.pending) == 8
        for walk in batch:
            agent.tell(walk, float(sum(walk)))
            told.append(walk)
        assert not agent.pending


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_random_walks(share):
    agent = Imagination(tiny_env("tokens"), random_share=share)
    asked = []
    imagine = agent.plan.imagine
    agent.plan.imagine = lambda dream, rng: (asked.append(1), imagine(dream, rng))
    drive(agent, 20)
    assert len(asked) == (12 if share == 0 else 0)


def test_under_noise_the_answer_is_better_than_the_luckiest_network():
    """Of 120 random walks; the truth is the sum of the decisions, the noise has a sd of 2."""
    truths = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        agent = Imagination(gym.make("NASBenchMacro-v0"), seed=seed, noisy=True)
        for _ in range(120):
            walk = agent.space.sample(rng)
            agent.tell(walk, sum(walk) + 2 * float(rng.normal()))
        for _ in range(20):  # as often as it would have been fitted by then
            agent.model.process.fit(agent.model.data(), 5)
        agent.model._posterior = None
        luckiest = list(agent.model.walks)[int(agent.model.scores.argmax())]
        truths.append((sum(agent.answer()), sum(luckiest)))
    by_model, by_luck = np.mean(truths, axis=0)
    assert by_model > by_luck, truths
    with pytest.raises(InvalidSettingError, match="No walk has been evaluated"):
        Imagination(gym.make("NASBenchMacro-v0"), noisy=True).answer()


def test_asking_for_the_answer_changes_nothing():
    found = []
    for curious in (False, True):
        agent = Imagination(tiny_env("tokens"), seed=1, noisy=True)
        walks = []
        for _ in range(30):
            walks += drive(agent, 1, lambda walk: float(np.random.default_rng(walk).random()))
            if curious:
                agent.answer()
        found.append(walks)
    assert found[0] == found[1]


class StopAt(BaseCallback):
    """Stops, or saves, after so many steps."""

    def __init__(self, steps, file=None):
        super().__init__()
        self.steps, self.file = steps, file

    def _on_step(self):
        if self.file is not None and self.n_calls == self.steps:
            self.model.save(self.file)
        return self.file is not None or self.n_calls < self.steps


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_walk_that_was_broken_off_is_played_again(tmp_path, batch_size):
    env = gym.make("NASBench201-v0")
    whole = make_agent("imagination", env, seed=0, batch_size=batch_size)
    whole.learn(6 * 30, StopAt(6 * 20 + 3, tmp_path / "agent"))
    broken = make_agent("imagination", gym.make("NASBench201-v0"), seed=0, batch_size=batch_size)
    broken.learn(6 * 30, StopAt(6 * 20 + 3))
    assert len(broken.model) == 20 and broken.pending
    broken.learn(6 * 10)
    loaded = Imagination.load(tmp_path / "agent", gym.make("NASBench201-v0"))
    loaded.learn(6 * 10)
    assert list(broken.model.walks) == list(loaded.model.walks) == list(whole.model.walks)


def test_what_ran_at_an_interruption_runs_again():
    env = TrackSearch(tiny_env("tokens"), Limits(evaluations=40))
    agent = make_agent("async-imagination", env, seed=0)
    agent._begin()
    running = [agent.propose() for _ in range(3)]
    agent.learn(200)
    assert set(running) <= set(agent.model.walks)
    assert list(agent.model.walks)[:3] == running and not agent.pending


def test_predict_follows_the_answer():
    for noisy in (False, True):
        env = tiny_env("tokens")
        agent = make_agent("imagination", env, seed=0, noisy=noisy)
        agent.learn(100)
        observation, done = env.reset(seed=1)[0], False
        while not done:
            action, _ = agent.predict(observation, deterministic=True)
            observation, _, done, _, _ = env.step(action)
        assert env.unwrapped.state.walk == agent.answer()


def test_improvement_is_divided_by_the_seconds_that_are_expected():
    """Networks that begin with 0 take a second, all others ten."""
    agent = Imagination(gym.make("NASBench201-v0"), per_second=True)
    for _ in range(60):
        walk = agent.propose()
        seconds = 1.0 if walk[0] == 0 else 10.0
        agent.evaluation = Evaluation(Outcome.OK, {"accuracy": 0.5}, seconds=seconds)
        agent.tell(walk, float(np.random.default_rng(walk).normal()))
    rng, posterior = np.random.default_rng(9), agent.model.posterior()
    walks = [agent.space.sample(rng) for _ in range(200)]
    mean, spread = posterior.predict(agent.model.process.kernel.encode(walks))
    gain = log_expected_improvement(mean, spread, float(posterior.data.targets.max()))
    seconds = np.exp(gain - agent._per_second(posterior, walks))
    cheap = np.array([walk[0] == 0 for walk in walks])
    assert np.median(seconds[cheap]) < 2.5 and np.median(seconds[~cheap]) > 5.0


def test_what_failed_tells_nothing_of_seconds():
    agent = Imagination(gym.make("NASBench201-v0"), per_second=True)
    for number in range(30):
        walk = agent.propose()
        failed = number < 10 or number % 3 == 0
        agent.evaluation = (
            Evaluation(Outcome.TOO_LARGE)
            if failed
            else Evaluation(Outcome.OK, {"accuracy": 0.5}, seconds=2.0)
        )
        agent.tell(walk, 0.0 if failed else 0.5)
    assert len(agent.model) == 30 and len(agent.log_seconds) == 14
    env = gym.make("NAS-v0", budget={"epochs": 1, "max_memory_mb": 0.001})
    agent = make_agent("imagination", env, seed=0, per_second=True)
    agent.learn(60)
    assert len(agent.model) >= 9 and not len(agent.log_seconds)


def test_improvement_far_below_the_incumbent_has_no_jump():
    u = np.linspace(-40, 5, 400_001)
    found = log_expected_improvement(u, np.ones_like(u), 0.0)
    steps = np.diff(found)
    assert (steps > 0).all()
    assert np.abs(np.diff(steps)).max() < 1e-6


def test_simulated_seconds_are_used_and_missing_ones_refused():
    agent = make_agent("imagination", gym.make("NASBench201-v0"), seed=0, per_second=True)
    agent.learn(6 * 12)
    assert min(agent.log_seconds.scores) > 0
    for env in (gym.make("NASBenchMacro-v0"), tiny_env("tokens")):
        with pytest.raises(InvalidSettingError, match="reports no evaluation time"):
            make_agent("imagination", env, seed=0, per_second=True)
    with pytest.raises(InvalidSettingError, match="reports no evaluation time"):
        seconds_of(Evaluation(Outcome.OK, {"accuracy": 0.5}))


def test_asynchronous_proposals_know_what_runs():
    env = TrackSearch(tiny_env("tokens"), Limits(evaluations=40))
    agent = make_agent("async-imagination", env, seed=0)
    agent._begin()
    first = [agent.propose() for _ in range(12)]
    assert len(set(first)) == 12 and len(agent.pending) == 12
    agent.tell(first[0], 1.0)
    assert first[0] not in agent.pending
    assert agent.propose() not in first


def test_in_an_environment_that_edits_episodes_begin_from_what_was_imagined():
    env = gym.make("NASEdit-v0", evaluator="synthetic")
    agent = make_agent("imagination", env, seed=0)
    agent.learn(30)
    assert len(agent.model) == 30


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"planner": "trees"}, UnknownNameError, "Did you mean 'tree'"),
        ({"target": "ranks"}, UnknownNameError, "Did you mean 'rank'"),
        ({"initial": 0}, InvalidSettingError, "initial must be an integer >= 1, but is 0"),
        ({"optimism": -1}, InvalidSettingError, "optimism must be a finite number >= 0"),
        ({"optimism": np.inf}, InvalidSettingError, "optimism must be a finite number"),
        ({"optimism": "1"}, InvalidSettingError, "but is '1'"),
        ({"target": ["rank"]}, UnknownNameError, "Unknown target"),
        ({"seed": -1}, InvalidSettingError, "seed must be an integer >= 0, but is -1"),
        ({"seed": "a"}, InvalidSettingError, "seed must be an integer >= 0, but is 'a'"),
        ({"optimism": "a"}, InvalidSettingError, "optimism must be a finite number"),
        ({"noisy": "false"}, InvalidSettingError, "noisy must be True or False, but is 'false'"),
        ({"batch_size": 1.5}, InvalidSettingError, "batch_size must be an integer"),
        ({"random_share": 2}, InvalidSettingError, "random_share must be a number in"),
        ({"random_share": None}, InvalidSettingError, "random_share must be a number in"),
        ({"descriptors": True}, InvalidSettingError, "has no descriptors of walks"),
    ],
)
def test_a_wrong_setting_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        Imagination(tiny_env("tokens"), **settings)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(score):
    agent = Imagination(tiny_env("tokens"))
    with pytest.raises(InvalidSettingError, match=r"score must be finite.*Let the objective"):
        agent.tell(agent.propose(), score)


def test_a_score_that_is_no_number_is_not_kept_as_the_best(monkeypatch):
    env = tiny_env("tokens")
    agent = make_agent("imagination", env, seed=0)
    agent.learn(40)
    best, waiting = agent.best_score, len(agent.model)
    monkeypatch.setattr(type(env.unwrapped.objective), "score", lambda *_: np.inf)
    with pytest.raises(InvalidSettingError, match="score must be finite"):
        agent.learn(40)
    monkeypatch.undo()
    assert agent.best_score == best and len(agent.model) == waiting
    agent.learn(1)  # the walk that was not learned is played again
    assert len(agent.model) == waiting + 1 and not agent.pending


@pytest.mark.parametrize("walk", [(9, 9), (0,), ()])
def test_the_score_of_a_walk_that_is_not_complete_and_legal_is_refused(walk):
    agent = Imagination(gym.make("NASBench201-v0"))
    with pytest.raises(IllegalDecisionError):
        agent.tell(walk, 0.5)
    assert not len(agent.model)


def test_the_answer_does_not_depend_on_whether_it_was_asked_for():
    """Under noise a fit, which comes before a walk is played, changes what is expected."""

    def answer(asking: bool):
        def ask(told, _):
            if asking and len(agent.model):
                agent.answer()
            return agent.num_timesteps < 195

        env = gym.make("NASBenchMacro-v0", run="random")
        agent = make_agent("imagination", env, seed=1, noisy=True)
        agent.learn(320, ask)
        return agent.answer()

    assert answer(asking=True) == answer(asking=False)


def test_a_file_of_another_space_is_refused(tmp_path):
    macro = make_agent("imagination", gym.make("NASBenchMacro-v0"), seed=0)
    macro.learn(8 * 10)
    macro.save(tmp_path / "macro")
    with pytest.raises(InvalidDataError, match=r"its space: 3 decisions .* here: 5 decisions"):
        Imagination.load(tmp_path / "macro", gym.make("NASBench201-v0"))
    same = gym.make("NASBenchMacro-v0", observation="features")  # it looks at the walk alone
    assert Imagination.load(tmp_path / "macro", same).answer() == macro.answer()


@pytest.mark.parametrize("initial", [1, 40])
def test_small_spaces_are_exhausted_before_anything_is_repeated(initial):
    """A limit on parameters counts, more first walks than there are, and random ones too."""
    space = ChainSpace(GRAMMAR, "small", (1, 8, 8), 10, max_params=300)
    env = gym.make("NAS-v0", space=space, task="digits", evaluator="synthetic")
    agent = Imagination(env, initial=initial, random_share=0.3)
    assert agent.num_walks == space.size() < space.automaton().walks[0]
    walks = drive(agent, agent.num_walks + 3)
    assert len(set(walks[:-3])) == agent.num_walks
    assert walks[-3:] == [agent.answer()] * 3


def test_a_file_of_the_asynchronous_agent_is_one_of_the_other(tmp_path):
    env = tiny_env("tokens")
    agent = make_agent("async-imagination", env, seed=0)
    agent.learn(60)
    agent.save(tmp_path / "agent")
    assert Imagination.load(tmp_path / "agent", env).answer() == agent.answer()
